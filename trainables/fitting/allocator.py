"""The C library's memory: keep what is freed for the next step."""

import ctypes
import platform

# glibc's <malloc.h>
TRIM_THRESHOLD, MMAP_MAX = -1, -4
MOST = 2**31 - 1


def keep_memory() -> None:
    """Have glibc keep freed memory in this process; elsewhere nothing is done.

    It otherwise gives tensors of 32 MiB and more back to the system at once, and each step of a large fit waits for
    the same pages to be cleared anew: a rating of ten million then takes up to twice as long (benchmarks/scale.py).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, MOST)
