"""What architectures of one's own are written with: `reeltune.trainables`."""

import subprocess
import sys

import pytest

from reeltune import trainables


def test_every_public_name_is_there_and_no_other():
    assert sorted(name for names in trainables._HOMES.values() for name in names) == sorted(trainables.__all__)
    assert all(getattr(trainables, name) is not None for name in trainables.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        trainables.nope  # noqa: B018


def test_public_names_are_loaded_when_they_are_used():
    code = "import sys, reeltune.trainables as face; assert 'torch' not in sys.modules; face.Shape; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "reeltune.trainables.data.shape" in done.stdout.split()
