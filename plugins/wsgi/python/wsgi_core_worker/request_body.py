"""wsgi.input for the five kinds of body."""
from __future__ import annotations

import io
import os

from .protocol import (
    BLOCK_SIZE, BODY, BODY_BLOCK, BODY_FILE, BODY_GONE, BODY_INLINE, BODY_LAST, BODY_NONE, BODY_PULL, ENVIRON_IN_BLOCK,
    PULL, PULL_PAYLOAD, SLOT_HEAD, UNKNOWN_LENGTH, ProtocolError,
)  # fmt: skip

PULL_SIZE = 65_536
FILE_BUFFER = 65_536


def read_block(bodies: int, slot: bytes, flags: int, kind: int, environ_size: int, block: int, size: int):
    """Environ bytes and in-memory body (or None) of a request that keeps some of it in `bodies`."""
    wanted = size if kind in (BODY_INLINE, BODY_BLOCK) else 0
    if not flags & ENVIRON_IN_BLOCK:
        end = SLOT_HEAD + environ_size
        if kind == BODY_BLOCK:
            return slot[SLOT_HEAD:end], pread(bodies, size, block)
        return slot[SLOT_HEAD:end], slot[end : end + wanted]
    content = pread(bodies, environ_size + wanted, block)
    return content[:environ_size], content[environ_size:]


def pread(bodies: int, size: int, block: int) -> bytes:
    content = os.pread(bodies, size, block * BLOCK_SIZE)
    if len(content) != size:
        raise ProtocolError(f"block {block} of 'bodies' holds {len(content)} of {size} bytes")
    return content


def open_body_file(directory: str, front: int, request: int) -> io.BufferedReader:
    """The body as a file that vanishes with its last descriptor."""
    path = os.path.join(directory, f"body-{front}-{request}")
    body = open(path, "rb", FILE_BUFFER)
    os.unlink(path)
    return body


def open_input(kind: int, memory: bytes, size: int, answer) -> io.BufferedIOBase:
    if kind == BODY_FILE:
        return open_body_file(answer.lane.directory, answer.front, answer.request)
    if kind == BODY_PULL:
        answer.reads_on = True
        return io.BufferedReader(PulledBody(answer, size), PULL_SIZE)
    if kind in (BODY_NONE, BODY_INLINE, BODY_BLOCK):
        return io.BytesIO(memory)
    raise ProtocolError(f"body kind {kind}")


class PulledBody(io.RawIOBase):
    """A body that stays at the front until it is asked for (body 4); over when its request is."""

    def __init__(self, answer, size: int) -> None:
        self.answer = answer
        self.left = None if size == UNKNOWN_LENGTH else size
        self.ended = size == 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        view = memoryview(buffer).cast("B")
        count = 0
        while not count and len(view) and not self.ended:
            count = self.pull(view)
        return count

    def readall(self) -> bytes:
        pieces = []
        buffer = bytearray(PULL_SIZE)
        count = self.readinto(buffer)
        while count:
            pieces.append(bytes(memoryview(buffer)[:count]))
            count = self.readinto(buffer)
        return b"".join(pieces)

    def pull(self, view: memoryview) -> int:
        """Ask for at most len(view) bytes; the front answers with what it has, at least one byte or the end."""
        if self.answer.done:
            raise ValueError("wsgi.input is used after its request")
        wanted = min(len(view), 2**31)
        link = self.answer.connect()
        link.send(self.answer.request, PULL, body=PULL_PAYLOAD.pack(wanted))
        count, flags = link.receive(BODY, view[:wanted])
        if flags & BODY_GONE:
            self.ended = True
            raise ConnectionResetError("the client is gone")
        self.account(count, flags)
        return count

    def account(self, count: int, flags: int) -> None:
        if self.left is not None:
            self.left -= count
        self.ended = bool(flags & BODY_LAST) or self.left == 0
