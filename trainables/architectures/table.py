"""The table of architectures: one line for each. To add one, see CONTRIBUTING.md."""

from reeltune.trainables.architectures import (
    autorec,
    bias,
    classifier,
    embedding_nn,
    pmf,
    svdpp,
    svdpp_classifier,
    svdpp_ordinal,
)
from reeltune.trainables.model import Architecture

ARCHITECTURES: dict[str, Architecture] = {
    "bias": bias,
    "pmf": pmf,
    "embedding_nn": embedding_nn,
    "classifier": classifier,
    "autorec": autorec,
    "svdpp": svdpp,
    "svdpp_classifier": svdpp_classifier,
    "svdpp_ordinal": svdpp_ordinal,
}
