"""Architectures with a layer on both vectors: many pairs are rated as few are, whose vectors are put side by side."""

import pytest
import torch

from reeltune.trainables.architectures.parts.paired import worth_it
from reeltune.trainables.architectures.table import ARCHITECTURES
from reeltune.trainables.data.shape import Shape
from tests.worlds import STARS

SHAPE = Shape(users=6, items=5, scale=STARS)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("embedding_nn", {}), ("classifier", {}), ("classifier", {"product": True})],
    ids=["embedding_nn", "classifier", "classifier with the product"],
)
def test_many_pairs_are_rated_as_few_are(name, changes):
    torch.manual_seed(0)
    model = ARCHITECTURES[name].Model(ARCHITECTURES[name].Config(**changes), SHAPE).eval()
    with torch.no_grad():
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        users, items = torch.arange(6).repeat_interleave(5), torch.arange(5).repeat(6)
        assert worth_it(users, model.id_rows())
        assert not worth_it(users[:10], model.id_rows())
        few = torch.cat([model(u, i) for u, i in zip(users.split(10), items.split(10), strict=True)])
        assert few.std() > 0.01
        assert torch.allclose(model(users, items), few, atol=1e-5)
