"""Memory for big answers that the front reads by itself: cheaper than to send them through a socket."""
from __future__ import annotations

import mmap
import os

from .protocol import STORED, STORED_PAYLOAD

AREA_SIZE = 1 << 20
AREAS = 2


class AnswerMemory:
    """Areas that are filled in turn; the front frees them in the same order."""

    kind = STORED

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

    def place(self, body: bytes, start: int, size: int) -> tuple[bytes, int]:
        """Fill the next area with some of `size` bytes; returns the frame's payload, and how many they are."""
        offset = self.next * AREA_SIZE
        size = min(size, AREA_SIZE)
        self.map[offset : offset + size] = memoryview(body)[start : start + size]
        self.next = (self.next + 1) % AREAS
        self.in_use += 1
        return STORED_PAYLOAD.pack(offset, size), size

    def freed(self) -> None:
        """The front has read the oldest area."""
        self.in_use -= 1

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
