"""Memory for big answers that the front reads by itself: cheaper than to send them through a socket."""
from __future__ import annotations

import mmap
import os

AREA_SIZE = 1 << 20
AREAS = 2


class AnswerMemory:
    """Areas that are filled in turn; the front frees them in the same order."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.ftruncate(descriptor, AREA_SIZE * AREAS)
        # to fill it costs one copy; a write would look up each page besides
        self.map = mmap.mmap(descriptor, AREA_SIZE * AREAS)
        self.next = 0
        self.in_use = 0

    @property
    def full(self) -> bool:
        return self.in_use == AREAS

    def store(self, data: memoryview) -> int:
        """Fill the next area with at most AREA_SIZE bytes; returns where they lie."""
        offset = self.next * AREA_SIZE
        self.map[offset : offset + len(data)] = data
        self.next = (self.next + 1) % AREAS
        self.in_use += 1
        return offset

    def close(self) -> None:
        self.map.close()
        os.close(self.descriptor)


def create_memory() -> AnswerMemory | None:
    """None where the system has no such files (only Linux has)."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("wsgi-core-answers")
    except OSError:
        return None
    try:
        return AnswerMemory(descriptor)
    except OSError:  # no address space, most likely
        os.close(descriptor)
        return None
