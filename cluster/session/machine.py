"""The CPUs and memory that this machine really gives us, and the facts about it that a run records."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from reeltune.cluster.session import container
from reeltune.trainables.version import __version__

PACKAGES = ("ray", "torch", "optuna", "pandas", "numpy", "scipy")


def usable_cpus() -> int:
    """The CPUs this process may run on, or the container's quota if that is less; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = container.cpus()
    return max(1, min(allowed, int(quota)) if quota else allowed)


def usable_memory() -> int:
    """Bytes that new processes may take: what the system has available, or the container's rest if that is less."""
    available = _meminfo().get("MemAvailable", 8 << 30)
    left = container.memory()
    return available if left is None else min(available, left)


def description() -> dict[str, object]:
    """The machine in a few facts, for the run's record."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "cpus": usable_cpus(),
        "memory_gib": round(_meminfo().get("MemTotal", 0) / 2**30, 1),
    }


def versions() -> dict[str, str]:
    return {"reeltune": __version__, **{package: version(package) for package in PACKAGES}}


def commit() -> str | None:
    """The git commit of this code; None if it does not run from a checkout."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _processor() -> str:
    """The CPU's model, as another one may round differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":") for line in lines if line.endswith("kB"))
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}
