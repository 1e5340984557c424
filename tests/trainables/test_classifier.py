"""What the classifier has beyond the contract: finer grids and other losses."""

import pytest
import torch

from tests.worlds import STARS
from trainables import classifier
from trainables.losses import LOSSES, class_loss
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


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("subdivisions", "width"), [(1, 0.5), (2, 1.3)])
def test_the_configured_loss_is_taken_on_the_grid_with_the_configured_width(loss, subdivisions, width):
    made = model(subdivisions=subdivisions, loss=loss, label_width=width)
    output, ratings = made(*PAIR), torch.tensor([4.0])
    expected = class_loss(loss, output, ratings, made.grid, width=width)
    assert made.loss(output, ratings).item() == pytest.approx(expected.item())


def test_a_rating_between_two_classes_pulls_at_both():
    made = model()
    output = made(*PAIR).detach().requires_grad_()
    made.loss(output, torch.tensor([2.25])).backward()
    probabilities = output.softmax(1)[0]
    assert (probabilities - output.grad[0]).tolist() == pytest.approx([0, 0.75, 0.25, 0, 0], abs=1e-6)


def test_another_number_of_subdivisions_is_refused():
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        classifier.Config(subdivisions=3)
