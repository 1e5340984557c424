"""What a search is asked for: what `--resume` compares."""

import pytest

from reeltune.cluster.commands.tune_options import unsaid


@pytest.mark.parametrize(
    ("command", "scheduler"),
    [("reeltune tune pmf", "asha"), ("reeltune tune --no-asha pmf", "none"), ("reeltune tune --asha pmf", "asha")],
)
def test_a_run_of_an_earlier_version_was_searched_by_tpe_and_halved_unless_its_command_said_no(command, scheduler):
    assert unsaid({"command": command}) == {"sampler": "tpe", "scheduler": scheduler}
