"""The table of architectures: one line for each. To add one, see CONTRIBUTING.md."""

from trainables import classifier, embedding_nn, pmf
from trainables.model import Architecture

ARCHITECTURES: dict[str, Architecture] = {
    "pmf": pmf,
    "embedding_nn": embedding_nn,
    "classifier": classifier,
}
