import os

import pytest

from reeltune.trainables.writable import obstacle


@pytest.fixture(autouse=True)
def places(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("before")


@pytest.mark.parametrize("name", ["file", "new", "folder/new", "new/and/deeper"])
def test_where_a_file_can_be_made_nothing_is_in_the_way_and_nothing_is_written(tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    assert obstacle(tmp_path / name) is None
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "before"


def test_what_is_in_the_way_is_named(tmp_path):
    assert obstacle(tmp_path / "folder") == f"{tmp_path}/folder is a folder"
    assert obstacle(tmp_path / "file" / "new" / "deeper") == f"{tmp_path}/file is no folder"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "{}/file cannot be written"),
        ("folder/new", "the folder {}/folder cannot be written"),
        ("folder/new/deeper", "the folder {}/folder cannot be written"),
    ],
)
def test_what_lacks_a_permission_is_named(tmp_path, monkeypatch, name, said):
    monkeypatch.setattr(os, "access", lambda path, mode: path == tmp_path)  # root may write anywhere
    assert obstacle(tmp_path / name) == said.format(tmp_path)
