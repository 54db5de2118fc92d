"""A fake front: the other side of docs/worker-protocol.md, as small as the tests allow."""
from __future__ import annotations

import json
import mmap
import os
import select
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections import deque

FOLDER = os.path.dirname(os.path.abspath(__file__))
SPAWNER = os.path.join(os.path.dirname(FOLDER), "spawner.py")
APPS = os.path.join(FOLDER, "apps")
SLOT = struct.Struct("<BBBBIIIQQII")
FRAME = struct.Struct("<IIBBHI")
RESPONSE, HEAD, DATA, END, ABORT, INFORMATION, FILE, PULL, MARK, HELLO, MEMORY, STORED, PIPE, SPLICE, SPLICED = range(1, 16)
BODY, TAKEN, FREED = 16, 17, 18
IN_USE = 1 << 63
LIMIT = 8.0


class Frame:
    """One frame from a worker, and by which way it came."""

    def __init__(self, way: object, raw_head: bytes, payload: bytes) -> None:
        self.way = way
        self.size, self.request, self.kind, flags, self.entry, head_size = FRAME.unpack(raw_head)
        self.flags, self.pace = flags & 3, flags >> 2
        self.head = payload[:head_size]
        self.body = payload[head_size:]

    @property
    def status(self) -> str:
        return self.head.split(b"\0")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        parts = self.head.decode("latin-1").split("\0")[1:]
        return list(zip(parts[::2], parts[1::2]))

    def __repr__(self) -> str:
        return f"Frame({self.kind}, {self.request}, flags {self.flags}, {self.head!r}, {self.body[:60]!r})"


class Front:
    """Front number 0 with its spawner; every wait ends after LIMIT seconds with TimeoutError."""

    def __init__(self, target: str, python: str = sys.executable, **config: object) -> None:
        self.directory = tempfile.mkdtemp(prefix="wsgi-core-test-")
        self.ahead = config.pop("ahead", None)
        self.config = self.create_config(target, config)
        self.buffers: dict[object, bytearray] = {}
        self.frames: deque[Frame] = deque()
        self.events: list[dict] = []
        self.taken_events = 0
        self.reads_memory = config.pop("reads_memory", False)
        self.memories: dict[object, int] = {}
        self.reads_pages = config.pop("reads_pages", False)
        self.page_pipes: dict[object, int] = {}
        self.reads_pipes = config.pop("reads_pipes", False)
        self.pipes: dict[int, socket.socket] = {}
        self.next_request = 1
        self.queue = self.answers = None
        self.create_shared_files()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path("front-0.sock"))
        self.listener.listen(16)
        self.start(python)

    def create_config(self, target: str, config: dict) -> dict:
        app = {"target": target, "chdir": config.pop("chdir", APPS), "pythonpath": config.pop("pythonpath", [])}
        return {
            "version": 1, "directory": self.directory, "fronts": [0], "threads": 1, "workers": 1, "timeout": 30,
            "graceful_timeout": 5, "max_requests": 0, "max_requests_jitter": 0, "preload": False, "generation": 7,
            "environ": {"SERVER_SOFTWARE": "test/1"}, "app": app, **config,
        }  # fmt: skip

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def create_shared_files(self) -> None:
        for name, size in (("scoreboard", 64 * 64), ("bodies", 8 * 65_536)):
            with open(self.path(name), "wb") as file:
                file.truncate(size)
        with open(self.path("scoreboard"), "r+b") as file:
            self.board = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    def start(self, python: str) -> None:
        self.control, far = socket.socketpair()
        self.error_file = open(self.path("stderr"), "ab")
        actions = [(os.POSIX_SPAWN_DUP2, self.error_file.fileno(), 2), (os.POSIX_SPAWN_DUP2, far.fileno(), 3)]
        arguments = [python, "-W", "error::ResourceWarning", SPAWNER]
        if far.fileno() == 3:
            os.set_inheritable(3, True)
        self.pid = os.posix_spawn(python, arguments, os.environ, file_actions=actions, setsid=True)
        far.close()
        self.status: int | None = None
        if self.ahead:
            self.command({"ahead": self.ahead})
        self.command(self.config)

    def open_fifos(self) -> Front:
        """After `started`: as the real front does, read-write and without blocking."""
        self.wait_event("started")
        self.queue = os.open(self.path("queue"), os.O_RDWR | os.O_NONBLOCK)
        self.answers = os.open(self.path("answers-0"), os.O_RDWR | os.O_NONBLOCK)
        return self

    def boot(self, workers: int = 1) -> Front:
        self.open_fifos()
        for worker in range(workers):
            self.spawn(worker)
        for _ in range(workers):
            self.wait_event("ready")
        return self

    def spawn(self, worker: int) -> None:
        self.command({"command": "spawn", "worker": worker})

    def command(self, command: dict) -> None:
        self.control.sendall(json.dumps(command).encode() + b"\n")

    # Waiting

    def wait_event(self, name: str, **wanted: object) -> dict:
        """The next event of this name that was not waited for before."""
        def find() -> dict | None:
            for event in self.events:
                if event["event"] == name and not event.get("seen") and wanted.items() <= event.items():
                    event["seen"] = True
                    return event
            return None

        return self.wait(find, f"event {name}")

    def logs(self, level: str | None = None) -> list[dict]:
        self.poll(0)
        return [event for event in self.events if event["event"] == "log" and level in (None, event["level"])]

    def wait_frame(self, request: int | None = None) -> Frame:
        def find() -> Frame | None:
            for frame in self.frames:
                if frame.kind != HELLO and request in (None, frame.request):
                    self.frames.remove(frame)
                    return frame
            return None

        return self.wait(find, "a frame")

    def wait(self, find, what: str):
        deadline = time.monotonic() + LIMIT
        while True:
            found = find()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} did not come; events {self.events}, stderr {self.errors()}")
            self.poll(min(left, 0.05))

    def poll(self, timeout: float) -> None:
        """Take in what has come."""
        sources = {self.listener, self.control, *self.buffers} | ({self.answers} - {None})
        sources = [way for way in sources if isinstance(way, int) or way.fileno() >= 0]
        for source in select.select(sources, [], [], timeout)[0]:
            if source is self.listener:
                self.buffers[self.listener.accept()[0]] = bytearray()
            else:
                self.take(source)

    def take(self, source: object) -> None:
        try:
            data = os.read(source if isinstance(source, int) else source.fileno(), 1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.forget(source)
            return
        buffer = self.buffers.setdefault(source, bytearray())
        buffer += data
        if source is self.control:
            self.take_events(buffer)
        else:
            self.take_frames(source, buffer)

    def forget(self, source: object) -> None:
        """It has ended."""
        if isinstance(source, int):
            os.close(source)
            del self.buffers[source], self.pipes[source]
        else:
            source.close()

    def take_events(self, buffer: bytearray) -> None:
        *lines, rest = bytes(buffer).split(b"\n")
        assert all(len(line) < 16_384 for line in lines)
        self.events += [json.loads(line) for line in lines]
        buffer[:] = rest

    def take_frames(self, source: object, buffer: bytearray) -> None:
        while len(buffer) >= 16 and len(buffer) >= 16 + FRAME.unpack_from(buffer)[0]:
            size = 16 + FRAME.unpack_from(buffer)[0]
            frame = Frame(self.pipes.get(source, source), bytes(buffer[:16]), bytes(buffer[16:size]))
            del buffer[:size]
            if frame.kind == MEMORY:
                self.take_memory(frame)
            elif frame.kind == PIPE:
                self.take_pipe(frame)
            elif frame.kind == SPLICE:
                self.take_pages(frame)
            else:
                self.frames.append(frame)

    def take_memory(self, frame: Frame) -> None:
        if self.reads_memory:
            pid, descriptor = struct.unpack("<II", frame.body)
            self.memories[frame.way] = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY)
        self.reply(frame, TAKEN, flags=0 if self.reads_memory else 1)

    def take_pipe(self, frame: Frame) -> None:
        if self.reads_pipes:
            pid, descriptor = struct.unpack("<II", frame.body)
            pipe = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK)
            self.buffers[pipe] = bytearray()
            self.pipes[pipe] = frame.way
        self.reply(frame, TAKEN, flags=0 if self.reads_pipes else 1)

    def take_pages(self, frame: Frame) -> None:
        if self.reads_pages:
            pid, descriptor = struct.unpack("<II", frame.body)
            self.page_pipes[frame.way] = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK)
        self.reply(frame, TAKEN, flags=0 if self.reads_pages else 1)

    def read_spliced(self, frame: Frame) -> bytes:
        """The frame's bytes; the worker is told where it asks for that."""
        (size,) = struct.unpack("<Q", frame.body)
        data = b""
        while len(data) < size:
            data += os.read(self.page_pipes[frame.way], size - len(data))
        if frame.flags & 1:
            self.reply(frame, FREED)
        return data

    def read_stored(self, frame: Frame) -> bytes:
        offset, size = struct.unpack("<QQ", frame.body)
        return os.pread(self.memories[frame.way], size, offset)

    def wait_idle(self, worker: int = 0) -> None:
        """Until the worker's only thread sleeps in its read of the queue."""
        def find() -> bool:
            with open(f"/proc/{self.board[worker * 8]}/stat", encoding="ascii", errors="replace") as file:
                return not self.board[worker * 8 + 2] and file.read().rpartition(")")[2].split()[0] == "S"

        self.wait(find, "an idle worker")

    # Slots

    def send(self, path: str = "/", body: bytes = b"", method: str = "GET", kind: int | None = None, **extra) -> int:
        """Write a request; `kind` is the body's, `block` puts the environ into that block."""
        block, front_flags, length = extra.pop("block", None), 0, extra.pop("length", len(body))
        body_file, number = extra.pop("body_file", True), extra.pop("front", 0)
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "test",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
            "CONTENT_LENGTH": str(len(body)), **extra,
        }  # fmt: skip
        pairs = "".join(f"{name}\0{value}\0" for name, value in environ.items()).encode("latin-1")
        request = self.next_request
        self.next_request += 1
        kind = (1 if body else 0) if kind is None else kind
        inline = pairs + (body if kind == 1 else b"")
        if block is not None:
            front_flags, content, inline = 1, inline, b""
        elif kind == 2:
            block, content = 1, body
        if block is not None:
            with open(self.path("bodies"), "r+b") as file:
                file.seek(block * 65_536)
                file.write(content)
        if kind == 3 and body_file:
            with open(self.path(f"body-0-{request}"), "wb") as file:
                file.write(body)
        read_at = time.monotonic_ns() - 20_000_000
        head = SLOT.pack(0, front_flags, kind, number, request, len(pairs), block or 0, length, read_at, 5_000, 0)
        self.write_slot(head + inline)
        return request

    def write_slot(self, slot: bytes) -> None:
        assert len(slot) <= 4_096, len(slot)
        os.write(self.queue, slot.ljust(4_096, b"\0"))

    def send_control_slot(self, kind: int, request: int = 0) -> None:
        self.write_slot(SLOT.pack(kind, 0, 0, 0, request, 0, 0, 0, 0, 0, 0))

    def ask(self, *arguments, **named) -> Frame:
        """Send a request and wait for its first frame."""
        return self.wait_frame(self.send(*arguments, **named))

    def ask_all(self, *arguments, **named) -> list[Frame]:
        """All frames of one answer."""
        frames = [self.ask(*arguments, **named)]
        while frames[-1].kind not in (RESPONSE, END, ABORT):
            frames.append(self.wait_frame(frames[0].request))
        return frames

    def reply(self, frame: Frame, kind: int, payload: bytes = b"", flags: int = 0) -> None:
        frame.way.sendall(FRAME.pack(len(payload), frame.request, kind, flags, frame.entry, 0) + payload)

    def leave_client(self, frame: Frame) -> None:
        """The client of this frame's request is gone."""
        self.board[frame.entry * 8 + 5] = IN_USE | frame.request

    # Ends

    def errors(self) -> str:
        with open(self.path("stderr"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_spawner(self) -> int:
        """The spawner's exit status."""
        def find() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return bool(pid)

        if self.status is None:
            self.wait(find, "the spawner's end")
        return self.status

    def stop_workers(self) -> None:
        """A clean end: stop slots, the stop command, and wake slots until all is gone."""
        self.command({"command": "stop"})
        for _ in range(self.config["threads"] * 4):
            self.send_control_slot(1)
        self.wait_spawner()
        self.poll(0)

    def close(self) -> None:
        for way in self.buffers:
            if isinstance(way, socket.socket):
                way.close()
        self.control.close()
        for descriptor in (self.queue, self.answers, *self.memories.values(), *self.page_pipes.values(), *self.pipes):
            if descriptor is not None:
                os.close(descriptor)
        for descriptor in (self.answers, *self.pipes):
            self.buffers.pop(descriptor, None)
        self.answers = None
        try:
            self.wait_spawner()
        except TimeoutError:
            os.killpg(self.pid, 9)
            os.waitpid(self.pid, 0)
            raise
        finally:
            self.listener.close()
            self.error_file.close()
            shutil.rmtree(self.directory, ignore_errors=True)  # the spawner may have been quicker
