from importlib import import_module

import pytest

from reeltune.trainables import errors


@pytest.mark.parametrize("installed", [False, True])
def test_a_folder_of_a_packages_name_is_not_the_package(tmp_path, monkeypatch, installed):
    """Such as /tmp/ray, where Ray has its files."""
    monkeypatch.setattr(errors, "MORE", (f"stand_in_{installed}",))
    folder = tmp_path / f"stand_in_{installed}"
    folder.mkdir()
    if installed:
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as raised:
        import_module(f"{folder.name}.part")
    said = errors.lacking(raised.value)
    assert said is None if installed else said.startswith("this needs stand_in_False, which is not installed")
