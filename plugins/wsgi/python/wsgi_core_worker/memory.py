"""Memory for big answers that the front reads by itself: cheaper than to send them through a socket."""
from __future__ import annotations

import os

AREA_SIZE = 1 << 20
AREAS = 2


class AnswerMemory:
    """Areas that are filled in turn; the front frees them in the same order."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.next = 0
        self.in_use = 0

    @property
    def full(self) -> bool:
        return self.in_use == AREAS

    def store(self, data: memoryview) -> int:
        """Fill the next area with at most AREA_SIZE bytes; returns where they lie."""
        offset = self.next * AREA_SIZE
        written = 0
        while written < len(data):
            written += os.pwrite(self.descriptor, data[written:], offset + written)
        self.next = (self.next + 1) % AREAS
        self.in_use += 1
        return offset

    def close(self) -> None:
        os.close(self.descriptor)


def create_memory() -> AnswerMemory | None:
    """None where the system has no such files (only Linux has)."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return AnswerMemory(os.memfd_create("wsgi-core-answers"))
    except OSError:
        return None
