"""A worker thread's connection to one front: streams, files, big answers, bodies on demand."""
from __future__ import annotations

import os

from .memory import AnswerMemory, create_memory
from .protocol import (
    ASKS_FREED, DATA, END, FILE, FILE_PAYLOAD, FRAME, FRAME_HEAD, FREED, HEAD, HELLO, HELLO_PAYLOAD, MEMORY,
    OFFER_PAYLOAD, PIPE, REFUSED, RESPONSE, SPLICE, SPLICED, SPLICED_PAYLOAD, TAKEN, VERSION, FrontGone, ProtocolError,
)  # fmt: skip

COPY_LIMIT = 16_384
# From here on it pays to store a body instead of sending it.
STORE_LIMIT = 65_536
# Larger bodies are not kept once their answer is given.
KEEP_LIMIT = 1 << 20
# The kernel grants what it will: the more, the fewer turns a big answer takes.
SEND_BUFFER = 1 << 20
# As much as the front reads at once. With less a worker that answers several requests in turn waits amid an answer.
PIPE_SIZE = 1 << 18
# Where there are more links, their pipes stay as Linux makes them: a user's pipes have a limit together.
LARGE_PIPES = 16
F_SETPIPE_SZ = 1031
write = os.write


class Link:
    """Frames out and in, whole or not at all: whatever fails in a `with link` ends the connection."""

    def __init__(self, path: str, entry: int, links: int = 1) -> None:
        """`links`: about how many there are of all workers together."""
        import socket

        self.entry = entry
        self.links = links
        # what big bodies go through, once one was there: a PagePipe, or memory
        self.store = None
        self.offered = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # where frames go: the socket, or a pipe
        self.output = self.socket.fileno()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        with self:
            self.socket.connect(path)
        self.send(0, HELLO, body=HELLO_PAYLOAD.pack(VERSION, os.getpid()))
        with self:
            self.open_pipe()

    def open_pipe(self) -> None:
        """Go on with a pipe where the front can read ours: that costs both half of what the socket does."""
        source, output = os.pipe()
        try:
            enlarge(output, self.links)
            taken = self.offer(PIPE, source)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(source)
        if taken:
            self.output = output
        else:
            os.close(output)

    def send_body(
        self, request: int, kind: int, head: bytes, body: bytes, flags: int = 0, start: int = 0, end: int | None = None
    ) -> None:
        """A RESPONSE, HEAD or DATA frame with body[start:end]; a large one is stored, in frames that mean the same."""
        end = len(body) if end is None else end
        # a class of the app's own may say of its length what it likes
        if end - start < STORE_LIMIT or type(body) is not bytes or not self.can_store():
            self.send(request, kind, head, memoryview(body)[start:end] if end - start < len(body) else body, flags)
            return
        frames = b"" if kind == DATA else encode(request, HEAD, self.entry, head, head_size=len(head))
        with self:
            while start < end:
                while self.store.full:
                    self.receive(FREED)
                payload, count = self.store.place(body, start, end - start)
                frames += encode(request, self.store.kind, self.entry, payload)
                start += count
                if 0 < end - start <= COPY_LIMIT:
                    frames += encode(request, DATA, self.entry, body[start:end])
                    start = end
                if kind == RESPONSE and start == end:
                    frames += encode(request, END, self.entry, flags=flags)
                self.put(frames)
                frames = b""

    def release(self, body: bytes) -> None:
        """Return when the front has read what it was given of `body`, where that is too large to be kept until it has."""
        if len(body) > KEEP_LIMIT and self.store is not None and self.store.kind == SPLICED and self.output >= 0:
            self.put(encode(0, SPLICED, self.entry, SPLICED_PAYLOAD.pack(0), flags=ASKS_FREED))
            self.receive(FREED)

    def can_store(self) -> bool:
        """Whether the front reads our pages or our memory; they are offered once."""
        if not self.offered:
            self.offered = True
            self.store = self.offer_pages() or self.offer_memory()
        return self.store is not None

    def offer_pages(self):
        try:
            from .pages import create_pages, pipe_size
        except Exception:  # a Python without ctypes, or a sandbox in which that does not load
            return None
        pages = create_pages(pipe_size(self.links))
        if pages is None:
            return None
        try:
            taken = self.offer(SPLICE, pages.source)
        except BaseException:
            pages.close()
            raise
        pages.end_reading()
        if taken:
            return pages
        pages.close()
        return None

    def offer_memory(self) -> AnswerMemory | None:
        memory = create_memory()
        if memory is None or self.offer(MEMORY, memory.descriptor):
            return memory
        memory.close()
        return None

    def offer(self, kind: int, descriptor: int) -> bool:
        """Whether the front has taken it."""
        self.send(0, kind, body=OFFER_PAYLOAD.pack(os.getpid(), descriptor))
        _, flags = self.receive(TAKEN)
        return not flags & REFUSED

    def put(self, frames: bytes) -> None:
        """Send whole frames."""
        try:
            sent = write(self.output, frames)
            if sent < len(frames):
                self.put_rest(memoryview(frames)[sent:])
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def put_rest(self, view: memoryview) -> None:
        """A signal's handler has run in the middle of a write."""
        while len(view):
            view = view[write(self.output, view) :]

    def send(self, request: int, kind: int, head: bytes = b"", body: bytes = b"", flags: int = 0) -> None:
        prefix = FRAME.pack(len(head) + len(body), request, kind, flags, self.entry, len(head)) + head
        if len(body) <= COPY_LIMIT:
            self.put(prefix + body)
            return
        with self:
            sent = os.writev(self.output, (prefix, body))
            if sent < len(prefix):
                self.put_rest(memoryview(prefix)[sent:])
                sent = len(prefix)
            self.put_rest(memoryview(body)[sent - len(prefix) :])

    def offer_file(self, request: int, descriptor: int, offset: int, size: int) -> bool:
        """Offer a file to the front; true when the front has taken it and will end the answer itself."""
        self.send(request, FILE, body=FILE_PAYLOAD.pack(os.getpid(), descriptor, offset, size))
        _, flags = self.receive(TAKEN)
        return not flags & REFUSED

    def receive(self, expected: int, target: memoryview | None = None) -> tuple[int, int]:
        """Size and flags of the next frame, which must be of type `expected`; its payload goes to `target`."""
        head = bytearray(FRAME_HEAD)
        with self:
            kind = None
            while kind != expected and kind in (None, FREED):
                self.fill(memoryview(head))
                size, _, kind, flags, _, _ = FRAME.unpack(head)
                if kind == FREED:
                    self.store.freed()
            if kind != expected or size > (0 if target is None else len(target)):
                raise ProtocolError(f"a frame of type {kind} and {size} bytes where type {expected} was due")
            if size:
                self.fill(target[:size])
        return size, flags

    def fill(self, view: memoryview) -> None:
        while len(view):
            count = self.socket.recv_into(view)
            if not count:
                raise ConnectionError("end of file")
            view = view[count:]

    def close(self) -> None:
        output, self.output = self.output, -1  # by now the number may be another file's
        if output not in (-1, self.socket.fileno()):
            os.close(output)
        self.socket.close()
        store, self.store = self.store, None
        if store is not None:
            store.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.close()
        if isinstance(error, OSError):
            raise FrontGone(*error.args) from error


def enlarge(pipe: int, links: int) -> None:
    """Give it room for what the front reads at once."""
    import fcntl

    try:
        if links <= LARGE_PIPES:
            fcntl.fcntl(pipe, F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:  # the user has too many pipes, or the system is another
        pass


def encode(request: int, kind: int, entry: int, payload: bytes = b"", head_size: int = 0, flags: int = 0) -> bytes:
    return FRAME.pack(len(payload), request, kind, flags, entry, head_size) + payload
