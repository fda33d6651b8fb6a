"""Memory that a process freed is used again, not given back to the system and fetched anew each step.

glibc gives a block of more than 32 MiB, and what is free at the end of the heap, back at once; the system
then clears each of its pages when the same tensor is wanted at the next step. A network's activations on a
CPU are such blocks: a third of the processor's time of EfficientNet-Lite0 on 64 images of 96 pixels.
"""

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers of its options (malloc.h)."""

KEPT = 2**30
"""ours: bytes that may lie free at the end of the heap before they are given back, and the size from which a
block is given back by itself."""

CHOSEN_ELSEWHERE = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
    "LD_PRELOAD",
)
"""Environment variables by which a person chose thresholds, or another allocator."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees; for processes that are ours, once, at their start.

    Results are the same to the bit. Nothing happens where the C library is not glibc, or where one of
    `CHOSEN_ELSEWHERE` is set.

    Returns:
        Whether it does from now on.
    """
    if not sys.platform.startswith("linux") or any(os.environ.get(n) for n in CHOSEN_ELSEWHERE):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "gnu_get_libc_version"):
        return False
    return all([library.mallopt(option, KEPT) == 1 for option in (TRIM_THRESHOLD, MMAP_THRESHOLD)])
