"""What a job is sent: reeltune, and nothing else."""

import subprocess
import sys

import pytest

from reeltune.cluster.jobs import package as shipment
from reeltune.cluster.jobs.package import FILES, LIMIT, MANIFESTS, requirements, stage
from reeltune.trainables.errors import InputError


def staged_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_reeltune_is_sent_as_a_wheel_has_it_and_leaves_room(tmp_path):
    assert stage(tmp_path, ()) == [str(tmp_path / "reeltune")]
    files = staged_files(tmp_path)
    assert {"__main__.py", "search_spaces/pmf.toml", "trainables/data/movielens.py"} <= {
        file.removeprefix("reeltune/") for file in files
    }
    assert any(file.startswith("reeltune/cluster/report/templates/") for file in files)
    assert not [file for file in files if "__pycache__" in file or "/." in file]
    assert not [file for file in files if MANIFESTS in file.split("/")]
    assert sum((tmp_path / file).stat().st_size for file in files) < 0.65 * LIMIT


def test_what_was_sent_can_send_itself_as_an_installed_package_can(tmp_path):
    stage(tmp_path / "first", ())
    imports = "import sys; from pathlib import Path; from reeltune.cluster.jobs.package import stage"
    code = f"{imports}; stage(Path(sys.argv[1]), ())"
    words = [sys.executable, "-B", "-c", code, str(tmp_path / "second")]
    subprocess.run(words, cwd=tmp_path / "first", env={"PYTHONPATH": str(tmp_path / "first")}, check=True)
    assert staged_files(tmp_path / "second") == staged_files(tmp_path / "first")


def test_files_are_sent_beside_the_packages(tmp_path):
    (tmp_path / "narrow.toml").write_text("[pmf]\n")
    folders = stage(tmp_path / "staged", (tmp_path / "narrow.toml",))
    assert folders[-1] == str(tmp_path / "staged" / FILES)
    assert (tmp_path / "staged" / FILES / "narrow.toml").read_text() == "[pmf]\n"


def test_too_much_is_refused_with_the_biggest_named(tmp_path):
    (tmp_path / "wide.toml").write_bytes(b"#" * LIMIT)
    with pytest.raises(
        InputError, match=r"3,072 are allowed; the biggest are reeltune_files/wide\.toml \(3,072 KiB\), "
    ):
        stage(tmp_path / "staged", (tmp_path / "wide.toml",))


def test_ray_and_the_tools_of_development_are_not_installed():
    needed = requirements()
    assert any(line.startswith("torch>=") for line in needed)
    assert not [line for line in needed if line.startswith(("ray", "pytest", "ruff"))]


def test_without_an_installed_reeltune_its_requirements_are_not_known(monkeypatch):
    def missing(name):
        raise shipment.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(shipment.metadata, "requires", missing)
    with pytest.raises(InputError, match="--install: reeltune is not installed here"):
        requirements()
