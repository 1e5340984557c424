"""The notebooks of docs/ run, show what they showed, and a kernel is usable after an interrupt."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
WORLD = "synthetic:users=40,items=30,ratings=600"


@pytest.fixture
def variables(tmp_path):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**variables, "PYTHONPATH": str(ROOT), "REELTUNE_CACHE": str(tmp_path / "cache")}


def code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def reply_to(client, cell):
    """The kernel's answer to a cell; there may be answers to earlier questions."""
    while (message := client.get_shell_msg(timeout=200))["parent_header"]["msg_id"] != cell:
        pass
    return message["content"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_ran_from_top_to_bottom_without_an_error(name):
    cells = code(FOLDER / name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert sum(bool(cell.outputs) for cell in cells) > 4


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_small_data_with_its_progress_in_a_live_cell(name, tmp_path, variables):
    command = [sys.executable, str(FOLDER / "run.py"), "--small", "--to", str(tmp_path), name]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in code(tmp_path / name) for output in cell.outputs]
    assert "TRIALS = 1" in "".join(cell.source for cell in code(tmp_path / name))
    text = "".join(str(output) for output in outputs)
    assert "sealed for the test" in text
    assert "starting Ray" not in text  # of plain lines


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_kernel_goes_on_with_the_next_cell(tmp_path, variables):
    manager, client = start_new_kernel(cwd=str(tmp_path), env=variables)
    try:
        cell = client.execute(f"import reeltune as rt\nrt.tune('{WORLD}', ['pmf'], trials=40, name='one')")
        ledger = tmp_path / "runs" / "one" / "trials.jsonl"
        while not (ledger.exists() and ledger.read_text()):
            time.sleep(0.05)
        manager.interrupt_kernel()
        reply = reply_to(client, cell)
        assert (reply["status"], reply.get("ename")) == ("error", "KeyboardInterrupt")
        reply = client.execute(f"rt.train('{WORLD}', 'bias')", reply=True, timeout=300)["content"]
        assert reply["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
