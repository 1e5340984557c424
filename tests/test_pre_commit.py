"""The hooks run what `make install` has installed, so that their versions are those of constraints.txt."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / ".pre-commit-config.yaml"
HOOKS = [hook for repository in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repository["hooks"]]
BIN = Path(sys.executable).parent


def test_pre_commit_takes_the_hooks():
    done = subprocess.run([BIN / "pre-commit", "validate-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_hook_runs_a_program_that_is_installed_with_the_tests():
    assert len(HOOKS) > 5
    for hook in HOOKS:
        folder, program = hook["entry"].split()[0].rsplit("/", 1)
        assert (hook["language"], folder) == ("system", ".venv/bin")
        assert (BIN / program).exists()
