"""What a container leaves to this process, by Linux's control groups: their version 2, or the older version 1."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # bytes: where there is no limit, version 1 names a number near 2^63


def cpus(root: Path = ROOT) -> float | None:
    """How many CPUs its quota is worth; None without one."""
    first = root / "cpu"
    words = _words(root / "cpu.max") or [*_words(first / "cpu.cfs_quota_us"), *_words(first / "cpu.cfs_period_us")]
    if len(words) != 2 or words[0] in ("max", "-1"):
        return None
    quota, period = words
    return int(quota) / int(period)


def memory(root: Path = ROOT) -> int | None:
    """Bytes that it leaves to new processes; None without a limit.

    Copies of files count as free, as in Linux's MemAvailable: the kernel drops them when their room is needed, and once
    large data was read they may fill all of it.
    """
    if (root / "memory.max").exists():
        limit, used, kind = root / "memory.max", root / "memory.current", ""
    else:
        root = root / "memory"
        limit, used, kind = root / "memory.limit_in_bytes", root / "memory.usage_in_bytes", "total_"
    most, taken = (_number(_words(path)) for path in (limit, used))
    if most is None or taken is None or most >= UNLIMITED:
        return None
    stat = _words(root / "memory.stat")
    bytes_of = dict(zip(stat[::2], map(int, stat[1::2]), strict=False))
    files = sum(bytes_of.get(f"{kind}{name}", 0) for name in ("inactive_file", "active_file"))
    return max(0, most - taken + files)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(words: list[str]) -> int | None:
    """None of "max", and of a file that is not there."""
    return int(words[0]) if words and words[0].isdigit() else None
