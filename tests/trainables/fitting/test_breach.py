"""How far `crossed` may be off: ratings in units of the scale, and logits of a class head, which have no unit."""

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import pmf, svdpp_classifier
from reeltune.trainables.architectures.parts.trunk import Tables
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.data.tensors import on_device
from reeltune.trainables.fitting.breach import crossed_breach
from tests.worlds import rows_of

SCALES = {"of 0.05": Scale.of(np.array([0.0, 0.01, 0.05])), "percent": Scale.of(np.arange(101.0))}


def shape_on(scale):
    return Shape(users=9, items=9, scale=scale)


def class_head(scale):
    torch.manual_seed(0)
    config = svdpp_classifier.Config(factors=8)
    model = svdpp_classifier.Model(config, shape_on(scale), trunk=Tables.empty(config, shape_on(scale)))
    for weight in (model.trunk.users, model.trunk.items, model.classes.weight):
        torch.nn.init.normal_(weight)
    return model.eval()


def scalar_head(scale):
    torch.manual_seed(0)
    model = pmf.Model(pmf.Config(factors=8), shape_on(scale))
    for table in (model.users, model.items):
        torch.nn.init.normal_(table.weight)
    return model.eval()


def found(model, scale):
    pairs = np.arange(1, 9)
    rows = on_device(rows_of(pairs, pairs, np.full(8, scale.low)), "cpu")
    return next(crossed_breach(model, shape_on(scale), rows), None)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("made", [class_head, scalar_head])
def test_a_matrix_product_is_no_breach_on_any_scale(made, scale):
    assert found(made(scale), scale) is None


@pytest.mark.parametrize(
    ("made", "name", "off"),
    [(class_head, "of 0.05", 1.0), (class_head, "percent", 1.0), (scalar_head, "of 0.05", 0.01)],
)
def test_what_is_further_off_than_rounding_is_one(made, name, off, monkeypatch):
    model = made(SCALES[name])
    exact = model.crossed
    monkeypatch.setattr(model, "crossed", lambda *asked: exact(*asked) + off)
    assert found(model, SCALES[name]).startswith(f"`crossed` rates pairs otherwise than `forward`, by {off:.1g}")
