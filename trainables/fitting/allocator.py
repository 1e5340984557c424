"""Has the C library keep freed memory for the next step, but not what only a fit's set-up needed."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's <malloc.h>
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
MOST = 2**31 - 1
USUAL_MMAPS = 65536  # its default
LARGEST = 32 << 20  # bytes: up to here glibc itself raises the size from which it returns memory at once
ARENAS = "MALLOC_ARENA_MAX"  # which a process reads when it starts


def keep_memory_in_threads() -> None:
    """Have processes that are started from now on keep it for all threads, unless the user has set ARENAS.

    Ray Train runs a fit in a thread, for which glibc has an arena of its own. Large tensors of such a one go back to
    the system at once, whatever `keep_memory` says.
    """
    os.environ.setdefault(ARENAS, "1")


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


@contextmanager
def memory_as_before() -> Iterator[None]:
    """At the end of the body, which may call `keep_memory`, return what is free, and keep no more from then on.

    glibc is then as it makes itself in a process that frees tensors of up to 32 MiB: what it was set to before, it does
    not tell.
    """
    try:
        yield
    finally:
        if platform.libc_ver()[0] == "glibc":
            library = ctypes.CDLL(None)
            library.mallopt(MMAP_MAX, USUAL_MMAPS)
            library.mallopt(MMAP_THRESHOLD, LARGEST)
            library.mallopt(TRIM_THRESHOLD, 2 * LARGEST)
            give_back()


def give_back() -> None:
    """Have glibc return to the system what is free by now. With another C library this does nothing."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
