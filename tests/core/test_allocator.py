"""Freed memory is kept by a process of ours: counted by the pages that the system has to hand out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from usb_ext.core.allocator import keep_freed_memory
print(keep_freed_memory() if sys.argv[2] == "kept" else False)
import numpy as np
np.ones(2**23)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
for _ in range(10):
    np.ones(2**23)
print(faults() - before)
"""
BYTES = 8 * 2**23


def _asked(word: str, **variables: str) -> tuple[bool, int]:
    """What `keep_freed_memory` said, and page faults of ten arrays of 64 MiB, one after the other."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_", "LD_"))}
    command = [sys.executable, "-c", ASKED, str(ROOT), word]
    env = {**plain, "NUMPY_MADVISE_HUGEPAGE": "0", **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    said, faults = done.stdout.split()
    return said == "True", int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_kept() -> None:
    pages = BYTES // os.sysconf("SC_PAGE_SIZE")
    assert _asked("plain") == (False, pytest.approx(10 * pages, rel=0.1))
    kept, faults = _asked("kept")
    assert kept
    assert faults < pages / 10


def test_what_a_person_chose_stands() -> None:
    assert _asked("kept", MALLOC_TRIM_THRESHOLD_="1000000")[0] is False
    assert _asked("kept", GLIBC_TUNABLES="glibc.malloc.trim_threshold=1000000")[0] is False
