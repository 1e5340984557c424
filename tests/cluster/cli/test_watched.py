"""Commands that leave their output whole or not at all."""

from pathlib import Path

import pytest

from reeltune.cluster.cli.watched import whole


def test_on_a_full_disk_a_line_says_that_the_output_is_not_written(capsys):
    assert whole(lambda watch: Path("/dev/full").write_text("a row\n"), Path("out.csv")) == (1, None)
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device; out.csv is not written\n"


def test_another_error_of_the_system_is_not_taken_for_it():
    with pytest.raises(FileNotFoundError):
        whole(lambda watch: Path("nowhere").read_text(), Path("out.csv"))
