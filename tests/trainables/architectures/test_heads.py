import pytest
import torch

from reeltune.trainables.architectures.heads import has_classes
from reeltune.trainables.architectures.table import ARCHITECTURES


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_told_without_a_model_which_of_ours_have_classes(name, small_shape):
    architecture = ARCHITECTURES[name]
    config = architecture.reference(small_shape)
    torch.manual_seed(0)
    made = architecture.Model(config, small_shape)
    assert has_classes(architecture, config.model_dump(), small_shape) == (made.grid is not None)
