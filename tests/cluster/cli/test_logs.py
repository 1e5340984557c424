"""`--verbose` and `--log-file`, given before the verb."""

import logging
import sys

import pytest

from reeltune.cluster.cli.app import main
from reeltune.cluster.cli.logs import configure


@pytest.fixture(autouse=True)
def loggers():
    """As they were before."""
    ours = logging.getLogger("reeltune")
    level, propagate = ours.level, ours.propagate
    yield
    configure(verbose=False, file=None)
    ours.setLevel(level)
    ours.propagate = propagate


def reeltune(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["reeltune", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


DRY_RUN = ["tune", "bias", "--data", "synthetic:ratings=600", "--dry-run"]


def test_nothing_is_logged_unless_asked_for(monkeypatch, capsys):
    assert reeltune(monkeypatch, *DRY_RUN) == 0
    assert "INFO" not in capsys.readouterr().err


def test_verbose_logs_to_standard_error_and_leaves_standard_output_alone(monkeypatch, capsys):
    assert reeltune(monkeypatch, "--verbose", *DRY_RUN, "--json") == 0
    out, err = capsys.readouterr()
    assert "INFO reeltune.cluster.commands.ask: synthetic:ratings=600: 600 ratings" in err
    assert out.count("\n") == 1


def test_a_log_file_has_it_too(monkeypatch, capsys, tmp_path):
    assert reeltune(monkeypatch, "--log-file", "log.txt", *DRY_RUN) == 0
    assert (
        "reeltune.cluster.commands.ask: searching {'bias': ['item_damping', 'user_damping']}"
        in (tmp_path / "log.txt").read_text()
    )
    assert "INFO" not in capsys.readouterr().err


def test_a_log_file_that_cannot_be_written_is_one_line(monkeypatch, capsys):
    assert reeltune(monkeypatch, "--log-file", "gone/log.txt", "--version") == 2
    assert capsys.readouterr().err == "error: --log-file gone/log.txt: cannot be written: No such file or directory\n"
