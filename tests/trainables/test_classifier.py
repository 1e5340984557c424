"""What the classifier has beyond the contract: finer grids and spread labels."""

import math

import pytest
import torch

from tests.worlds import STARS
from trainables import classifier
from trainables.model import Shape

SHAPE = Shape(users=4, items=4, scale=STARS)
PAIR = torch.tensor([1]), torch.tensor([2])


def model(**changes):
    torch.manual_seed(0)
    return classifier.Model(classifier.Config(**changes), SHAPE).eval()


@pytest.mark.parametrize(("subdivisions", "classes"), [(1, 5), (2, 9), (4, 17), (8, 33)])
def test_each_step_is_cut_in_as_many_classes_as_asked_for(subdivisions, classes):
    made = model(subdivisions=subdivisions)
    assert made(*PAIR).shape == (1, classes)
    assert {1, 2, 3, 4, 5} <= set(made.grid.tolist())


@pytest.mark.parametrize(("subdivisions", "width"), [(1, 0.5), (2, 1.3)])
def test_spread_labels_are_a_gaussian_in_rating_units(subdivisions, width):
    made = model(subdivisions=subdivisions, labels="spread", label_width=width)
    output = made(*PAIR)
    weights = [math.exp(-((point - 4) ** 2) / (2 * width**2)) for point in made.grid.tolist()]
    logs = output.log_softmax(1)[0].tolist()
    expected = -sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)
    assert made.loss(output, torch.tensor([4.0])).item() == pytest.approx(expected, rel=1e-5)


def test_a_rating_between_two_classes_pulls_at_both():
    made = model()
    output = made(*PAIR).detach().requires_grad_()
    made.loss(output, torch.tensor([2.25])).backward()
    probabilities = output.softmax(1)[0]
    assert (probabilities - output.grad[0]).tolist() == pytest.approx([0, 0.75, 0.25, 0, 0], abs=1e-6)


def test_another_number_of_subdivisions_is_refused():
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        classifier.Config(subdivisions=3)
