"""A worker thread's stream socket to one front: streams, files, big answers, bodies on demand."""
from __future__ import annotations

import os

from .protocol import (
    FILE, FILE_PAYLOAD, FILE_REFUSED, FRAME, FRAME_HEAD, HELLO, HELLO_PAYLOAD, TAKEN, VERSION, FrontGone,
    ProtocolError,
)  # fmt: skip

COPY_LIMIT = 16_384


class Link:
    """Frames out and in, whole or not at all: whatever fails within a frame ends the connection."""

    def __init__(self, path: str, entry: int) -> None:
        import socket

        self.entry = entry
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)
        except OSError as error:
            raise self.give_up(error) from error
        self.send(0, HELLO, body=HELLO_PAYLOAD.pack(VERSION, os.getpid()))

    def send(self, request: int, kind: int, head: bytes = b"", body: bytes = b"", flags: int = 0) -> None:
        prefix = FRAME.pack(len(head) + len(body), request, kind, flags, self.entry, len(head)) + head
        try:
            if len(body) <= COPY_LIMIT:
                self.socket.sendall(prefix + body)
            else:
                self.send_rest(prefix, body, self.socket.sendmsg((prefix, body)))
        except BaseException as error:
            raise self.give_up(error) from error

    def send_rest(self, prefix: bytes, body: bytes, sent: int) -> None:
        if sent < len(prefix):
            self.socket.sendall(prefix[sent:])
            sent = len(prefix)
        if sent < len(prefix) + len(body):
            self.socket.sendall(memoryview(body)[sent - len(prefix) :])

    def offer_file(self, request: int, descriptor: int, offset: int, size: int) -> bool:
        """Offer a file to the front; true when the front has taken it and will end the answer itself."""
        self.send(request, FILE, body=FILE_PAYLOAD.pack(os.getpid(), descriptor, offset, size))
        _, flags = self.receive(TAKEN)
        return not flags & FILE_REFUSED

    def receive(self, expected: int, target: memoryview | None = None) -> tuple[int, int]:
        """Size and flags of the next frame, which must be of type `expected`; its payload goes to `target`."""
        head = bytearray(FRAME_HEAD)
        try:
            self.fill(memoryview(head))
            size, _, kind, flags, _, _ = FRAME.unpack(head)
            if kind != expected or size > (0 if target is None else len(target)):
                raise ProtocolError(f"a frame of type {kind} and {size} bytes where type {expected} was due")
            if size:
                self.fill(target[:size])
        except BaseException as error:
            raise self.give_up(error) from error
        return size, flags

    def fill(self, view: memoryview) -> None:
        while len(view):
            count = self.socket.recv_into(view)
            if not count:
                raise ConnectionError("end of file")
            view = view[count:]

    def give_up(self, error: BaseException) -> BaseException:
        """Close the connection; what to raise: an OSError means that the front is gone."""
        self.socket.close()
        return FrontGone(*error.args) if isinstance(error, OSError) else error
