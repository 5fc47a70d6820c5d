"""Memory in large pages: a process whose memory is in few pages is forked, and ends, in a fraction of the time."""

import ctypes
import mmap
from contextlib import suppress

LARGE = 2 << 20  # bytes of a large page where pages are of 4096
COLLAPSE = 25  # MADV_COLLAPSE of Linux 6.1: refused by older kernels, and all stays as it is


def collapse() -> None:
    """Moves this process's own memory into large pages where the system can; takes half a second.

    A fork copies an entry for each page, and a child's end gives them all back: 40 000 of them once torch is loaded.
    What a child writes to is split into small pages again, for itself alone.
    """
    if mmap.PAGESIZE != 4096:
        return
    with suppress(OSError, AttributeError), open("/proc/self/maps") as maps:
        madvise = ctypes.CDLL(None).madvise
        for line in maps.read().splitlines():
            addresses, rights, _, _, _, *file = line.split()
            if rights == "rw-p" and (not file or file == ["[heap]"]):
                start, end = (int(address, 16) for address in addresses.split("-"))
                for place in range(-(-start // LARGE) * LARGE, end - LARGE + 1, LARGE):
                    madvise(ctypes.c_void_p(place), ctypes.c_size_t(LARGE), COLLAPSE)
