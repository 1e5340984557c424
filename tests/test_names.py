"""The public names of `import reeltune`."""

import inspect
import re
from pathlib import Path

import pytest

import reeltune as rt

API = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
NAMES = [name for name in rt.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_there_says_what_it_is_and_is_on_the_page_of_names(name):
    text = inspect.getdoc(getattr(rt, name))
    assert text
    assert text[0].isupper() or text[0] == "`"
    assert name in re.findall(r"auto\w+:: (\w+)", API)


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'reeltune' has no attribute 'tuna'"):
        _ = rt.tuna
    assert set(dir(rt)) == set(rt.__all__)
