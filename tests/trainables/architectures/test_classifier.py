"""What the classifier has beyond the contract: finer grids, other losses, and the product of the vectors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reeltune.trainables.architectures import classifier
from reeltune.trainables.architectures.parts.losses import LOSSES, class_loss
from reeltune.trainables.data import split
from reeltune.trainables.data.scale import Scale
from reeltune.trainables.data.shape import Shape
from reeltune.trainables.fitting import loop
from reeltune.trainables.fitting.fit import Fit
from tests.worlds import STARS, shape_of

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


@pytest.mark.parametrize("scale", [STARS, Scale.of(np.array([0.0, 10.0, 50.0, 100.0]))], ids=["stars", "percent"])
@pytest.mark.parametrize(("user_width", "item_width"), [(6, 6), (3, 8), (8, 3)])
def test_with_the_product_logits_start_at_the_distances_of_classes_to_it(scale, user_width, item_width):
    torch.manual_seed(0)
    widths = {"user_width": user_width, "item_width": item_width}
    made = classifier.Model(
        classifier.Config(product=True, subdivisions=2, **widths), replace(SHAPE, scale=scale)
    ).eval()
    common = min(user_width, item_width)
    with torch.no_grad():
        made.users.weight.fill_(0.5)
        made.items.weight.fill_(0.5)
        output = made(*PAIR)[0]
    match, x = common / 4, torch.linspace(-2, 2, len(made.grid))
    assert output.tolist() == pytest.approx((match**2 - (x - match) ** 2).tolist(), abs=1e-5)


@pytest.mark.parametrize("loss", ["cost_regression", "reverse_kl"])
def test_with_the_product_a_few_epochs_of_a_slow_head_learn_the_pattern(loss, two_tastes):
    parts, shape = split(two_tastes.rows, seed=1), shape_of(two_tastes)
    config = classifier.Config(
        product=True, loss=loss, subdivisions=4, batch_size=64, epochs=8, learning_rate=0.05, head_rate=0.1
    )
    *_, last = loop.run(Fit(classifier, config, shape, parts.train, seed=1), validation=parts.validation)
    assert last.validation.of("argmax") < 0.45  # 0.25 is noise, and no mean is below 2.3


@pytest.mark.parametrize("product", [False, True])
def test_every_weight_is_in_one_group_and_the_head_has_a_rate_and_decay_of_its_own(product):
    made = model(product=product, weight_decay=0.3, head_decay=0.2, head_rate=0.5)
    groups = made.groups(made.config)
    assert sorted(id(weight) for group in groups for weight in group["params"]) == sorted(map(id, made.parameters()))
    tables, head, biases = groups
    assert tables["params"] == [made.users.weight, made.items.weight]
    assert (tables["weight_decay"], tables.get("share", 1)) == (0.3, 1)
    assert (head["weight_decay"], head["share"]) == (0.2, 0.5)
    assert (biases["weight_decay"], biases["share"]) == (0, 0.5)
