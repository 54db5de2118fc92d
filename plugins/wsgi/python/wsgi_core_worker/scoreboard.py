"""The shared scoreboard: 64 bytes for each worker thread, eight u64."""
from __future__ import annotations

import mmap
import os

ENTRY_SIZE = 64
PID, STATE, CURRENT, BEGAN, SERVED, GONE = range(6)
BOOTING, SERVING, LEAVING = 1, 2, 3
IN_USE = 1 << 63


def open_entries(directory: str, first: int, count: int) -> list[memoryview]:
    """Entries first .. first + count - 1 as views of u64; a store is seen by the front at once."""
    descriptor = os.open(os.path.join(directory, "scoreboard"), os.O_RDWR)
    try:
        view = memoryview(mmap.mmap(descriptor, 0))
    finally:
        os.close(descriptor)
    offsets = range(first * ENTRY_SIZE, (first + count) * ENTRY_SIZE, ENTRY_SIZE)
    if offsets[-1] + ENTRY_SIZE > len(view):
        raise ValueError(f"the scoreboard has no entry {first + count - 1}; make it larger")
    return [view[offset : offset + ENTRY_SIZE].cast("Q") for offset in offsets]


def boot_entry(entry: memoryview) -> None:
    """Take an entry over; the request under which an earlier owner died is forgotten here."""
    entry[CURRENT] = entry[BEGAN] = entry[SERVED] = 0
    entry[PID] = os.getpid()
    entry[STATE] = BOOTING
