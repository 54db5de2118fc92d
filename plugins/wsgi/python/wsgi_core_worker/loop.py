"""The request loop of one worker thread: slots in, answers out."""
from __future__ import annotations

import errno
import io
import os
import time

from .control import is_front_gone, log
from .link import Link
from .protocol import FRAME, MARK, MARK_SLOT, SLOT, SLOT_HEAD, SLOT_SIZE, STOP, FrontGone, ProtocolError
from .request_body import open_input, read_block
from .response import Answer
from .scoreboard import BEGAN, CURRENT, IN_USE, SERVED

# Milliseconds between two looks for a front that is not ready yet.
FRONT_POLL = 20
# A front that lives says nothing in this time on a connection that says nothing.
PROBE_SECONDS = 1.0


class Lane:
    """What one worker thread works with; no other thread uses it."""

    def __init__(self, directory: str, number: int, entry: memoryview, shared: SharedFiles) -> None:
        self.directory = directory
        self.number = number
        self.entry = entry
        self.queue = shared.queue
        self.bodies = shared.bodies
        self.answers = shared.answers
        self.all_links = shared.all_links
        self.links: dict[int, Link] = {}

    def connect(self, front: int) -> Link:
        link = self.links.get(front)
        if link is None:
            link = self.links[front] = Link(front_socket(self.directory, front), self.number, self.all_links)
        return link

    def forget(self, front: int) -> bool:
        """Drop a request whose front has died; false where the front lives, and the fault is another."""
        link = self.links.get(front)
        if not is_dead(front_socket(self.directory, front)):
            return False
        if link is not None:
            link.close()
            del self.links[front]
        self.entry[CURRENT] = 0
        return True

    def close(self) -> None:
        for link in self.links.values():
            link.close()


class SharedFiles:
    """The descriptors that all threads of a worker share."""

    def __init__(self, directory: str, fronts: list[int], threads: int = 1) -> None:
        """`threads`: of all workers together."""
        self.all_links = threads * max(1, len(fronts))
        self.answers = AnswerPipes(directory)
        for front in fronts:
            self.answers.open(front)
        self.queue = os.open(os.path.join(directory, "queue"), os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.queue, True)
        self.bodies = os.open(os.path.join(directory, "bodies"), os.O_RDONLY)


class AnswerPipes(dict):
    """The writing ends by front. A front that comes later gets its own with the first slot of it."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self.directory = directory

    def __missing__(self, front: int) -> int:
        return self.open(front)

    def open(self, front: int) -> int:
        descriptor = open_answers(os.path.join(self.directory, f"answers-{front}"))
        kept = self.setdefault(front, descriptor)
        if kept != descriptor:  # another thread was quicker
            os.close(descriptor)
        return kept


def open_answers(path: str) -> int:
    """The writing end, once the front reads. A blocking open would wait for ever for a front that has died."""
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        else:
            os.set_blocking(descriptor, True)
            return descriptor
        if is_front_gone(FRONT_POLL):
            raise FrontGone(errno.EPIPE, "the front is gone")


def front_socket(directory: str, front: int) -> str:
    return os.path.join(directory, f"front-{front}.sock")


def is_dead(path: str) -> bool:
    """Whether nobody listens there. A front that is about to be gone may still take a connection, but ends it.

    The file of a dead one may have been removed, but not the scoreboard: who removes that is not the server, and the
    front may live.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(path)
            return not probe.recv(1)
        except (socket.timeout, TimeoutError):
            return False
        except OSError as error:
            return error.errno != errno.ENOENT or os.path.exists(os.path.join(os.path.dirname(path), "scoreboard"))


def serve(lane: Lane, life, app, base: dict) -> None:
    """Serve until the process leaves or the front is gone."""
    handle = create_handler(lane, life, app, base)
    read = os.read
    queue = lane.queue
    while not life.leaving:
        slot = read(queue, SLOT_SIZE)
        if len(slot) != SLOT_SIZE:
            if slot:
                raise ProtocolError(f"a slot of {len(slot)} bytes")
            raise FrontGone("end of file")
        try:
            if slot[0]:
                obey(lane, life, slot)
            else:
                handle(slot)
        except FrontGone as error:
            if error.errno == errno.EBADF or not lane.forget(slot[3]):
                raise


def obey(lane: Lane, life, slot: bytes) -> None:
    kind, _, _, front, request, *_ = SLOT.unpack_from(slot)
    if kind == STOP:
        life.leave("stop")
    elif kind == MARK_SLOT:
        try:
            os.write(lane.answers[front], FRAME.pack(0, request, MARK, 0, lane.number, 0))
        except OSError as error:
            raise FrontGone(*error.args) from error


def create_handler(lane: Lane, life, app, base: dict):
    """The hot path, as one function over bound locals: each call and attribute saved counts here."""
    entry = lane.entry
    copy = base.copy
    unpack = SLOT.unpack_from
    now = time.monotonic_ns
    memory_input = io.BytesIO
    count = life.count_request if life.counts else None
    served = 0

    def handle(slot: bytes) -> None:
        nonlocal served
        _, flags, kind, front, request, environ_size, block, size, read_at, body_time, _ = unpack(slot)
        began = now()
        key = IN_USE | front << 32 | request
        # BEGAN first: the front must never see this request with the last one's time.
        entry[BEGAN] = began
        entry[CURRENT] = key
        if flags or kind > 1:
            raw, memory = read_block(lane.bodies, slot, flags, kind, environ_size, block, size)
        else:
            end = SLOT_HEAD + environ_size
            raw = slot[SLOT_HEAD:end]
            memory = slot[end : end + size]
        text = raw.decode("latin-1")
        parts = iter(text.split("\0"))
        environ = copy()
        environ.update(zip(parts, parts))
        answer = Answer(lane, front, request, key, environ.get("REQUEST_METHOD") == "HEAD", text, began)
        body_seconds = body_time / 1e6
        waited = (began - read_at) / 1e9 - body_seconds
        environ["wsgi_core.request_id"] = request
        environ["wsgi_core.queue_time"] = waited if waited > 0 else 0.0
        environ["wsgi_core.body_time"] = body_seconds
        environ["wsgi_core.client_gone"] = answer.client_gone
        environ["wsgi.early_hints"] = answer.early_hints
        body = None
        try:
            if kind < 3:
                environ["wsgi.input"] = memory_input(memory)
            else:
                environ["wsgi.input"] = body = open_input(kind, memory, size, answer)
            result = app(environ, answer.start_response)
            if (type(result) is list or type(result) is tuple) and not answer.head_sent:
                answer.send_whole(result)
            else:
                answer.send_result(result)
        except FrontGone:
            raise
        except BaseException as error:
            answer.fail(error)
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                life.leave("signal")
        finally:
            if body is not None:
                body.close()
        served += 1
        entry[SERVED] = served
        entry[CURRENT] = 0
        if count is not None:
            count()

    return handle
