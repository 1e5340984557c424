"""Orders and updates come out of Ray Tune's dicts as they went in."""

import dataclasses
import json
from dataclasses import replace

import pytest

from reeltune.cluster.search.messages import (
    Limits,
    Order,
    Update,
    failed,
    order_of,
    tune_config,
    tune_result,
    update_of,
)
from tests.searches import metrics, point

ORDER = Order(trial="pmf-001", architecture="pmf", number=1, stage="confirm", config={"factors": 3}, seed=7, fold=2)


def test_an_order_is_the_same_after_its_way_through_tune():
    config = {**json.loads(json.dumps(tune_config(ORDER))), "what Tune adds": 1}
    assert order_of(config) == ORDER


@pytest.mark.parametrize(
    "update",
    [
        Update(progress=0.5, epochs=2, points=(point(0.5, 0.9),), value=0.9, seconds=1.5, earlier=0.5),
        Update(done=True, state="done", value=0.8, metrics=metrics(0.8), temperature=1.2, kept=False),
        failed("FitFailed: the training loss is nan"),
    ],
)
def test_an_update_is_the_same_after_its_way_through_tune(update):
    assert update_of({**tune_result(update), "pid": 7, "trial_id": "a"}) == update


def test_what_an_update_does_not_know_is_no_value_for_tune():
    assert "value" not in tune_result(Update())
    assert "error" not in tune_result(Update())


@pytest.mark.parametrize("message", [ORDER, Update(), point(0.5, 1.0)])
def test_no_message_can_be_changed(message):
    for field in dataclasses.fields(message):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, None)


@pytest.mark.parametrize(
    ("stage", "search", "confirm", "longer", "seconds"),
    [
        ("search", 60.0, 60.0, 8.3, 60.0),
        ("confirm", 60.0, 60.0, 8.34, 501.0),
        ("confirm", 0.5, 0.5, 1.0, 0.5),
        ("confirm", None, None, 8.3, None),
        ("search", None, 60.0, 8.3, None),
    ],
)
def test_a_confirmation_on_more_rows_may_work_as_many_times_longer(stage, search, confirm, longer, seconds):
    limits = Limits.of_trials(search, confirm, longer=longer)
    assert limits.of(replace(ORDER, stage=stage)) == seconds
