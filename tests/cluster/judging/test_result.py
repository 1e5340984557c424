"""What a result says of each architecture, of choices that no Ray is needed for."""

import pytest

from reeltune.cluster.judging import result
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.choice import Choice
from reeltune.search_spaces import shipped
from reeltune.trainables.architectures import ENSEMBLE
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.architectures.table import ARCHITECTURES
from tests import two_towers


def _searched(tmp_path, choices, **more):
    ledger = Ledger(tmp_path / "trials.jsonl")
    given = {"ledger": ledger, "choices": choices, "orders": {}, "fitted": {}, "decoder": "argmax", "seed": 1, **more}
    return Searched(architectures=list(choices), **given)


@pytest.mark.parametrize(("clock", "weight", "timed"), [(True, 0.5, True), (True, 0.0, False), (False, 0.5, False)])
def test_what_looks_at_times_is_what_the_architecture_says_does(tmp_path, clock, weight, timed):
    """The setting is not called `time`; an ensemble looks at them where a member with a say does."""
    _, registry = resolve([two_towers.__file__])
    weights = {"two_towers": weight, "pmf": 1 - weight}
    configs = {"two_towers": {"clock": clock}, "pmf": {}, ENSEMBLE: {"weights": weights}}
    choices = {name: Choice(config=each, value=1.0, metrics={}, temperature=1.0) for name, each in configs.items()}
    searched = _searched(tmp_path, choices, registry=registry)
    found = {name: result._architecture(name, searched, {}).timed for name in choices}
    assert found == {"two_towers": clock, "pmf": False, ENSEMBLE: timed}


def test_a_choice_on_a_bound_of_what_was_searched_is_named_with_the_bound(tmp_path):
    config = ARCHITECTURES["pmf"].Config(factors=100, epochs=4).model_dump()
    space = shipped("pmf", ARCHITECTURES["pmf"])
    choices = {"pmf": Choice(config=config, value=1.0, metrics={}, temperature=1.0)}
    found = result._architecture("pmf", _searched(tmp_path, choices, spaces={"pmf": space}), {})
    assert found.on_bounds == {"factors": "high", "epochs": "low"}
    assert result._architecture("pmf", _searched(tmp_path, choices), {}).on_bounds == {}
