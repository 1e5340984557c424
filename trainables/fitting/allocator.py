"""Has the C library keep freed memory for the next step, but not what only a fit's set-up needed."""

import ctypes
import platform

# glibc's <malloc.h>
TRIM_THRESHOLD, MMAP_MAX = -1, -4
MOST = 2**31 - 1


def keep_memory() -> None:
    """Have glibc keep the memory that this process frees. With another C library this does nothing.

    By default glibc returns tensors of 32 MiB and more to the system at once, and each step of a large fit waits while
    the system clears the same pages again: `svdpp` takes half as long again with ten million ratings (see
    benchmarks/scale.py).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, MOST)


def give_back() -> None:
    """Have glibc return to the system what is free by now. With another C library this does nothing."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
