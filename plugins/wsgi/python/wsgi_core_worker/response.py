"""One answer: start_response and write for the app, frames for the front."""
from __future__ import annotations

import os
import time

from .control import format_error, log
from .file_wrapper import FileWrapper, locate_file
from .head import encode_head, names_file, without_length
from .link import COPY_LIMIT
from .module_files import ModuleFiles, files_of_error
from .protocol import (
    ABORT, APP_FAILED, ATOMIC_LIMIT, DATA, END, FRAME, FRAME_HEAD, HEAD, INFORMATION, PACE_SHIFT, RESPONSE, FrontGone,
)  # fmt: skip
from .scoreboard import GONE

FAILED_HEAD = b"500 Internal Server Error"
# A stream's frames are small enough that a client's leaving is noticed soon, a whole answer's fits a u32.
DATA_LIMIT = 1 << 20
WHOLE_LIMIT = 1 << 30
TRACE_LIMIT = 16_384
write = os.write
now = time.monotonic_ns
pack = FRAME.pack


class ClientGone(ConnectionResetError):
    """The client left before its answer was complete."""


class BrokenAnswer(Exception):
    """The app did not keep to what it announced; no traceback would tell more."""


class Answer:
    """The answer to one request. Once `done`, nothing more of it reaches the wire: what the app keeps is harmless."""

    # While the app is developed: whoever made the request is shown its error, and what took part is watched.
    files: ModuleFiles | None = None
    head: bytes | None = None
    length: int | None = None
    left: int | None = None
    bodiless = False
    head_sent = False
    done = False
    link = None
    excess = False
    # The front keeps the request's body, and with it the request, until the app has read it.
    reads_on = False

    def __init__(self, lane, front: int, request: int, key: int, is_head: bool, text: str, began: int) -> None:
        self.lane = lane
        self.began = began
        self.front = front
        self.request = request
        self.key = key
        self.is_head = is_head
        self.text = text

    def start_response(self, status: str, headers: list, exc_info=None):
        """PEP 3333 start_response; returns write()."""
        if self.done or exc_info or self.head is not None:
            self.check_restart(exc_info)
        self.head, self.length, bodiless = encode_head(status, headers)
        self.bodiless = bodiless or self.is_head
        return self.write

    def check_restart(self, exc_info) -> None:
        try:
            if exc_info and self.head_sent:
                raise exc_info[1].with_traceback(exc_info[2])
            if self.done:
                raise RuntimeError("start_response() is called after its request")
            if self.head is not None and not exc_info:
                raise AssertionError("start_response() is called again without exc_info")
            self.head = None
        finally:
            exc_info = None  # PEP 3333: avoid the circular reference

    def write(self, data: bytes) -> None:
        """PEP 3333 write(): the data is handed to the front before this returns."""
        if self.done:
            raise RuntimeError("write() is called after its request")
        self.send_chunk(data)

    def early_hints(self, headers: list) -> None:
        """Send `103 Early Hints` (RFC 8297); without effect once the head is out."""
        if self.done:
            raise RuntimeError("early_hints() is called after its request")
        head, _, _ = encode_head("103 Early Hints", headers)
        if not self.head_sent and not self.client_gone():
            self.connect().send(self.request, INFORMATION, head)

    def pace(self) -> int:
        """Flags for how long the app took: 1 + the binary logarithm of the microseconds."""
        return ((now() - self.began) // 1000).bit_length() << PACE_SHIFT

    def client_gone(self) -> bool:
        return self.lane.entry[GONE] == self.key

    def connect(self):
        """The thread's link to this front; from now on the whole answer goes there."""
        link = self.link
        if link is None:
            link = self.link = self.lane.connect(self.front)
        return link

    def send_result(self, result) -> None:
        """Send what the app returned; close() is called in any case (PEP 3333)."""
        try:
            if result is None:
                raise TypeError("the app returned None, not an iterable of bytes")
            if type(result) is not FileWrapper or self.head_sent or not self.send_file(result):
                self.send_stream(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def send_whole(self, chunks: list | tuple) -> None:
        """Send a body that is known as a whole, in one frame."""
        if len(chunks) == 1:
            body = chunks[0]
            if type(body) is not bytes:
                check_chunk(body)
        else:
            for chunk in chunks:
                check_chunk(chunk)
            body = b"".join(chunks)
        head = self.head
        if head is None:
            raise AssertionError("the app returned without calling start_response()")
        size = len(body)
        if self.bodiless or self.length != size:
            head, body = self.fit(head, body)
            size = len(body)
        total = FRAME_HEAD + len(head) + size
        if total <= ATOMIC_LIMIT and self.link is None:
            lane = self.lane
            try:
                write(
                    lane.answers[self.front],
                    pack(total - FRAME_HEAD, self.request, RESPONSE, self.pace(), lane.number, len(head)) + head + body,
                )
            except OSError as error:
                raise FrontGone(*error.args) from error
            self.done = True
        else:
            self.send_large(head, body)

    def fit(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Make head and body agree: PEP 3333 lets us add a Content-Length, and forbids to exceed one."""
        size = len(body)
        if self.length is None and not is_bodiless_status(head) and (size or not self.is_head):
            head += b"\0Content-Length\0%d" % size
        if self.bodiless:
            return head, b""
        if self.length is not None and size < self.length:
            if size or not names_file(head):
                raise BrokenAnswer(f"app gave {size} of the {self.length} bytes of its Content-Length")
            head = without_length(head)
        if self.length is not None and size > self.length:
            self.report_excess()
            body = body[: self.length]
        return head, body

    def send_large(self, head: bytes, body: bytes) -> None:
        if self.client_gone():
            raise ClientGone("the client is gone")
        link = self.connect()
        if len(body) <= COPY_LIMIT:
            link.send(self.request, RESPONSE, head, body, self.pace())
        elif len(body) <= WHOLE_LIMIT:
            link.send_body(self.request, RESPONSE, head, body, self.pace())
            link.release(body)
        else:
            link.send(self.request, HEAD, head)
            self.head_sent = True
            self.send_data(body)
            link.send(self.request, END, flags=self.pace())
        self.done = True

    def send_stream(self, chunks) -> None:
        if not self.bodiless:
            chunks = iter(chunks)
            for chunk in chunks:
                if self.bodiless:
                    break
                if type(chunk) is bytes and len(chunk) == self.length and self.is_whole(chunk):
                    self.send_whole((chunk,))
                    self.head_sent = True
                    self.pass_over(chunks)
                    return
                self.send_chunk(chunk)
                if self.head_sent and self.left is None and self.link is not None:
                    self.send_more(chunks)
        self.finish()

    def is_whole(self, chunk: bytes) -> bool:
        """Whether a first chunk with all of the Content-Length can go as the whole answer, in one frame."""
        return bool(chunk) and not self.head_sent and not self.reads_on

    def pass_over(self, chunks) -> None:
        """The answer is out; what else the app does is its own business, as long as it gives no more."""
        for chunk in chunks:
            check_chunk(chunk)
            if chunk:
                self.report_excess()

    def send_more(self, chunks) -> None:
        """send_chunk() for all but the first chunk of most streams, over bound locals."""
        link, entry, key, request = self.link, self.lane.entry, self.key, self.request
        number, put = self.lane.number, link.put
        for chunk in chunks:
            size = len(chunk) if type(chunk) is bytes else 0
            if not 0 < size <= COPY_LIMIT:
                self.send_chunk(chunk)
            elif entry[GONE] == key:
                raise ClientGone("the client is gone")
            else:
                put(pack(size, request, DATA, 0, number, 0) + chunk)

    def send_chunk(self, chunk: bytes) -> None:
        """Send a chunk at once, the head before the first that is not empty (PEP 3333)."""
        check_chunk(chunk)
        if self.lane.entry[GONE] == self.key:
            raise ClientGone("the client is gone")
        if not chunk:
            return
        if self.head is None:
            raise AssertionError("the app gave data before calling start_response()")
        if not self.head_sent:
            self.left = self.length
        if self.bodiless:
            chunk = b""
        elif self.left is not None:
            chunk = self.bound(chunk)
        if not self.head_sent:
            first, chunk = chunk[:DATA_LIMIT], chunk[DATA_LIMIT:]
            self.connect().send_body(self.request, HEAD, self.head, first)
            self.head_sent = True
        if chunk:
            self.send_data(chunk)

    def send_data(self, data: bytes) -> None:
        link = self.connect()
        if len(data) <= DATA_LIMIT:
            link.send_body(self.request, DATA, b"", data)
            return
        try:
            for start in range(0, len(data), DATA_LIMIT):
                if self.client_gone():
                    raise ClientGone("the client is gone")
                end = min(start + DATA_LIMIT, len(data))
                link.send_body(self.request, DATA, b"", data, start=start, end=end)
        finally:
            link.release(data)

    def bound(self, chunk: bytes) -> bytes:
        if len(chunk) > self.left:
            self.report_excess()
            chunk = chunk[: self.left]
        self.left -= len(chunk)
        return chunk

    def report_excess(self) -> None:
        if not self.excess:
            self.excess = True
            message = f"app gave more bytes than its Content-Length of {self.length}; the excess is dropped"
            self.log(message + ": ")

    def finish(self) -> None:
        """The app gave its last chunk."""
        if not self.head_sent:
            self.send_whole(())
            return
        if self.left and not self.bodiless:
            raise BrokenAnswer(f"app gave {self.length - self.left} of the {self.length} bytes of its Content-Length")
        self.connect().send(self.request, END, flags=self.pace())
        self.done = True

    def send_file(self, wrapper: FileWrapper) -> bool:
        """Let the front send the file; false when it must go as a stream, with the head as it then stands."""
        # PEP 3333: a file's end, or Content-Length bytes of it; more is no mistake of the app.
        self.excess = True
        place = locate_file(wrapper.filelike)
        if place is None or self.head is None:
            return False
        descriptor, offset, rest = place
        if self.length is None and not is_bodiless_status(self.head):
            self.head += b"\0Content-Length\0%d" % rest
            self.length = rest
        if self.bodiless or not self.length:
            return False
        if rest < self.length:
            raise BrokenAnswer(f"app gave a file of {rest} bytes for its Content-Length of {self.length}")
        if self.client_gone():
            raise ClientGone("the client is gone")
        self.left = self.length
        link = self.connect()
        link.send(self.request, HEAD, self.head)
        self.head_sent = True
        self.done = link.offer_file(self.request, descriptor, offset, self.length)
        return self.done

    def fail(self, error: BaseException) -> None:
        """The app failed, or its client is gone: tell the log and end the answer in the way still open."""
        gone = isinstance(error, ClientGone)
        if isinstance(error, BrokenAnswer):
            self.log(f"{error}: ")
        elif not gone:
            self.log("Error handling request ", error)
        if self.done:
            return
        if self.head_sent or gone:
            self.connect().send(self.request, ABORT)
        elif self.files is not None:
            self.files.report(files_of_error(error))
            trace = format_error(error)[-TRACE_LIMIT:].encode("utf-8", "replace")
            self.connect().send(self.request, RESPONSE, FAILED_HEAD, trace, APP_FAILED)
        elif self.link is not None:
            self.link.send(self.request, RESPONSE, FAILED_HEAD, flags=APP_FAILED)
        else:
            self.send_failure()
        self.done = True

    def send_failure(self) -> None:
        size = len(FAILED_HEAD)
        frame = pack(size, self.request, RESPONSE, APP_FAILED, self.lane.number, size) + FAILED_HEAD
        try:
            write(self.lane.answers[self.front], frame)
        except OSError as error:
            raise FrontGone(*error.args) from error

    def log(self, message: str, error: BaseException | None = None) -> None:
        """One record: the message, the path, and the request as the front sent it, whatever the app made of its environ."""
        parts = iter(self.text.split("\0"))
        environ = dict(zip(parts, parts))
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        text = message + path.encode("latin-1").decode("utf-8", "replace")
        method, url = environ.get("REQUEST_METHOD", ""), environ.get("RAW_URI", "")
        log("error", text, error, request=self.request, method=method, url=url)


def check_chunk(chunk: object) -> None:
    if not isinstance(chunk, bytes):
        raise TypeError(f"the body must be made of bytes, not {type(chunk).__name__}")


def is_bodiless_status(head: bytes) -> bool:
    """RFC 9110 §6.4.1."""
    return head[:1] == b"1" or head[:3] in (b"204", b"304")
