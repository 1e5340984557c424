"""What each model states of itself, for the tests that all models share. A new one adds its line to EXPECTED."""

from dataclasses import dataclass, field

from reeltune.search_spaces import has_space
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.config import TrainingConfig
from tests import two_towers

# Every architecture, and one of nobody's that keeps the contract: a test that asks for more than that fails on it.
MODELS = {**ARCHITECTURES, "two_towers": two_towers}
TRAINED = [name for name, architecture in MODELS.items() if issubclass(architecture.Config, TrainingConfig)]
SEARCHED = [name for name in ARCHITECTURES if has_space(name)]
SOLVED = sorted(MODELS.keys() - set(TRAINED))


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Of one model: how well it learns, and which of its settings the tests need."""

    error: float  # MSE of its mean on `worlds.two_tastes`, to a fifth: 0.25 is noise, 2.5 and more what means have
    small: dict[str, object] = field(default_factory=dict)  # settings with which it fits in a moment
    drops: tuple[str, ...] = ()  # the settings, each a share, that make training draw random numbers
    steps: int | None = None  # about so many an epoch has at the reference, whatever the data's size


EXPECTED = {
    "bias": Expected(error=2.9),
    "pmf": Expected(error=0.4, small={"factors": 8}, drops=("dropout",), steps=1125),
    "embedding_nn": Expected(
        error=0.26, small={"user_width": 8, "item_width": 8, "hidden": 16}, drops=("dropout",), steps=1125
    ),
    "classifier": Expected(
        error=0.27, small={"user_width": 8, "item_width": 8, "hidden": 16}, drops=("dropout",), steps=1125
    ),
    "autorec": Expected(error=0.29, small={"hidden": 16}, drops=("dropout",), steps=18),
    "svdpp": Expected(error=0.37, small={"factors": 8}, drops=("dropout",), steps=36),
    "svdpp_classifier": Expected(
        error=0.45, small={"factors": 8, "hidden": 16}, drops=("dropout", "head_dropout"), steps=36
    ),
    "svdpp_ordinal": Expected(error=0.37, small={"factors": 8}, drops=("dropout",), steps=36),
    "two_towers": Expected(error=0.33, small={"breadth": 8}, drops=("forget",)),
}


def dropping(name, share):
    """The settings with which a model drops this share of whatever it drops in training."""
    return dict.fromkeys(EXPECTED[name].drops, share)
