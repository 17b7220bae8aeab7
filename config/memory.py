"""How the C library keeps memory, for processes that live long beside others.

By default glibc makes an arena for every thread and raises the size from which it returns memory at
once; a process that encoded one large batch then holds it for ever. Measured on the web process: 20 MB
less of 145 when idle, and as much less under load.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 131_072  # blocks from this size on are returned as soon as they are free
# Below it a question would return and ask for the same pages some seventy times, with a fault for each.
KEPT_BYTES = 1_048_576


def keep_small() -> None:
    """Tell the allocator to return what is not used. Does nothing on systems without glibc."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
