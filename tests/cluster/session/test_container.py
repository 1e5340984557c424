"""What a container leaves: files as the kernel writes them, and a real group where one can be made."""

import subprocess
import sys

import pytest

from reeltune.cluster.session import container
from tests.limited import limited, why_not

MB = 1 << 20
SECOND = {
    "cpu.max": "150000 100000\n",
    "memory.max": f"{500 * MB}\n",
    "memory.current": f"{300 * MB}\n",
    "memory.stat": f"anon {100 * MB}\nfile {200 * MB}\ninactive_file {150 * MB}\nactive_file {50 * MB}\n",
}
FIRST = {
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "memory/memory.limit_in_bytes": f"{500 * MB}\n",
    "memory/memory.usage_in_bytes": f"{300 * MB}\n",
    "memory/memory.stat": f"inactive_file {MB}\ntotal_inactive_file {150 * MB}\ntotal_active_file {50 * MB}\n",
}
READS = """
import sys
from reeltune.cluster.session import container
before = container.memory()
with open(sys.argv[1], "rb") as file:
    while file.read(1 << 20):
        pass
print(before, container.memory())
"""


def written(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("files", [SECOND, FIRST], ids=["version 2", "version 1"])
def test_the_rest_of_its_limits_counts_with_files_that_the_kernel_can_drop(tmp_path, files):
    root = written(tmp_path, files)
    assert container.cpus(root) == 1.5
    assert container.memory(root) == (500 - 300 + 200) * MB


@pytest.mark.parametrize(
    "files",
    [
        {**SECOND, "cpu.max": "max 100000\n", "memory.max": "max\n"},
        {**FIRST, "cpu/cpu.cfs_quota_us": "-1\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
        {},
    ],
    ids=["version 2", "version 1", "no groups"],
)
def test_without_limits_there_is_nothing_to_say(tmp_path, files):
    root = written(tmp_path, files)
    assert container.cpus(root) is None
    assert container.memory(root) is None


def test_in_a_real_group_a_file_that_was_read_takes_nothing_from_what_is_left(tmp_path):
    if why := why_not():
        pytest.skip(why)
    large = tmp_path / "large"
    with limited(400 * MB) as group:
        subprocess.run(
            group.command("dd", "if=/dev/zero", f"of={large}", "bs=1M", "count=300", "status=none"), check=True
        )
        done = subprocess.run(
            group.command(sys.executable, "-c", READS, str(large)), capture_output=True, text=True, check=True
        )
    before, after = map(int, done.stdout.split())
    assert 250 * MB < before < 400 * MB
    assert abs(before - after) < 100 * MB
