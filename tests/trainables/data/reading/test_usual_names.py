import re
from pathlib import Path

import pytest

from reeltune.trainables.data.columns import COLUMN_OPTIONS, WORDS
from reeltune.trainables.data.reading.usual_names import ROW_IDS, USUAL_NAMES, WEAK_NAMES, plain_name

PAGE = Path(__file__).parents[4] / "docs" / "data.md"


def test_the_page_lists_the_usual_names_as_the_code_has_them():
    rows = re.findall(r"^\| (\w+) \| `(--\w+-column)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    listed = {kind: (option, tuple(re.findall(r"`([^`]+)`", names))) for kind, option, names in rows}
    kinds = {WORDS.get(kind, kind): (COLUMN_OPTIONS[kind], names) for kind, names in USUAL_NAMES.items()}
    assert listed == kinds


def test_no_name_is_of_two_kinds_or_twice_in_one():
    names = [name for usual in USUAL_NAMES.values() for name in usual]
    assert len(names) == len(set(names))
    assert all(plain_name(name) == name for name in (*names, *WEAK_NAMES, *ROW_IDS))
    assert not WEAK_NAMES - set(names)
    assert not ROW_IDS & set(names)


@pytest.mark.parametrize("name", ["User-ID", "user_id", " userId", "USER ID", "user.id", "user_id:token"])
def test_names_are_compared_without_what_people_write_differently(name):
    assert plain_name(name) == "userid"
