"""The spawner: one process that forks the workers, obeys the front and reaps."""
from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time

from .control import emit, log
from .protocol import CONTROL, VERSION
from .shared_imports import share_imports
from .worker import flush_streams, load_or_exit, print_to, run_worker, watch_files

SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
# For the server alone; `systemctl kill` and terminals send them to all processes, which they would end or stop.
PASSED_OVER = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)
RUNTIMES = {"cpython": "CPython", "pypy": "PyPy"}
TRACE_LIMIT = 1 << 20
STATE = "WSGI_CORE_SPAWNER_STATE"


def main() -> None:
    os.set_inheritable(CONTROL, False)
    os.set_blocking(CONTROL, True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in PASSED_OVER:
        signal.signal(number, pass_over)
    lines, config = start_again() or start_first()
    if config["version"] != VERSION:
        reason = f"protocol version {config['version']} is not known; this worker speaks {VERSION}"
        emit("failed", worker=None, pid=os.getpid(), exit=1, reason=reason, traceback="")
        sys.exit(1)
    make_fifos(config["directory"], config["fronts"])
    app = None
    if config.get("preload"):
        app = load_or_exit(config["app"], None, watch_files(config, None))
        gc.freeze()
    elif config["app"].get("share_imports"):
        if not share_imports(config["app"]):
            restart_alone(config, lines)
        gc.freeze()
    spawner = Spawner(config, app, lines)
    emit("started", pid=os.getpid(), version=VERSION, runtime=describe_runtime())
    try:
        spawner.run()
        if lines.ended:
            remove_folder(config["directory"])
        if spawner.orphans:
            spawner.orphans.linger()
    except Exception as error:
        log("error", "spawner failed", error)
        spawner.signal_all(signal.SIGTERM)
        raise


def pass_over(*_: object) -> None:
    """Unlike SIG_IGN it is not handed down to programs that the application starts."""


def start_first() -> tuple[LineReader, dict]:
    lines = LineReader()
    config = json.loads(lines.wait_first() or sys.exit(0))
    if "ahead" in config:  # the configuration is still being read: begin with what it will ask for
        share_imports(config["ahead"])
        config = json.loads(lines.wait_first() or sys.exit(0))
    return lines, config


def restart_alone(config: dict, lines: LineReader) -> None:
    """A shared library has started threads, which no worker would have: begin anew without sharing any."""
    config["app"]["share_imports"] = False
    os.environ[STATE] = json.dumps([config, lines.rest.decode()])
    os.set_inheritable(CONTROL, True)
    arguments = getattr(sys, "orig_argv", sys.argv[:1])  # from 3.10, with the interpreter's own options
    os.execv(sys.executable, [sys.executable, *(arguments[1:] or sys.argv[:1])])


def start_again() -> tuple[LineReader, dict] | None:
    state = os.environ.pop(STATE, None)
    if state is None:
        return None
    lines = LineReader()
    config, rest = json.loads(state)
    lines.rest = rest.encode()
    return lines, config


def describe_runtime() -> str:
    name = sys.implementation.name
    return f"{RUNTIMES.get(name, name)} {sys.version.split()[0]}"


def remove_folder(directory: str) -> None:
    """The front removes its runtime directory, unless it was killed: then nobody else does."""
    try:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except OSError:
        pass  # the front was there before us


def make_fifos(directory: str, fronts: list[int]) -> None:
    for name in ["queue", *(f"answers-{front}" for front in fronts)]:
        make_fifo(os.path.join(directory, name))


def make_fifo(path: str) -> None:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass  # a spawner before us has made it


def adopt_orphans():
    from .orphans import Orphans

    try:
        return Orphans()
    except (ImportError, OSError) as error:
        log("warning", "orphans of the app cannot be reaped; run the container with an init", error)
        return None


class LineReader:
    """Lines from the control socket."""

    def __init__(self) -> None:
        self.rest = b""
        self.ended = False

    def wait_first(self) -> bytes:
        """The first line, or nothing at end of file."""
        while b"\n" not in self.rest and not self.ended:
            self.fill()
        line, _, self.rest = self.rest.partition(b"\n")
        return b"" if self.ended else line

    def fill(self) -> None:
        try:
            data = os.read(CONTROL, 65_536)
        except ConnectionError:
            data = b""
        self.ended = not data
        self.rest += data

    def take(self) -> list[bytes]:
        *lines, self.rest = self.rest.split(b"\n")
        return [line for line in lines if line]


class Spawner:
    def __init__(self, config: dict, app, lines: LineReader) -> None:
        self.config = config
        self.app = app
        self.lines = lines
        self.children: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.stopping = False
        self.deadline: float | None = None
        self.orphans = adopt_orphans() if config.get("reap_orphans") else None
        self.wake_in, self.wake_out = os.pipe()
        os.set_blocking(self.wake_in, False)
        os.set_blocking(self.wake_out, False)
        signal.set_wakeup_fd(self.wake_out, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

    def run(self) -> None:
        """Obey until stopped and childless."""
        self.obey_lines()
        while self.children or not self.stopping:
            watched = [self.wake_in] if self.lines.ended else [self.wake_in, CONTROL]
            ready, _, _ = select.select(watched, [], [], self.time_left())
            if self.wake_in in ready:
                self.handle_signals()
            if CONTROL in ready:
                self.lines.fill()
                self.obey_lines()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.deadline = None
                self.signal_all(signal.SIGKILL)

    def time_left(self) -> float | None:
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0)

    def handle_signals(self) -> None:
        received = os.read(self.wake_in, 4_096)
        self.reap()
        if signal.SIGTERM in received:
            self.terminate()

    def obey_lines(self) -> None:
        for line in self.lines.take():
            self.obey(json.loads(line))
        if self.lines.ended:
            self.terminate()

    def obey(self, command: dict) -> None:
        name = command.get("command")
        if name == "spawn":
            if not self.stopping:
                self.spawn(command["worker"])
        elif name == "kill":
            if command["pid"] in self.children:
                os.kill(command["pid"], command["signal"])
        elif name == "front":
            make_fifos(self.config["directory"], [command["front"]])
            emit("front", front=command["front"])
        elif name == "stop":
            self.stopping = True
        else:
            log("warning", f"spawner does not know command '{name}'")

    def terminate(self) -> None:
        """The front is gone, or wants us gone: end all workers, by force after graceful_timeout."""
        if self.deadline is None:
            self.stopping = True
            self.deadline = time.monotonic() + self.config["graceful_timeout"]
            self.signal_all(signal.SIGTERM)

    def signal_all(self, number: int) -> None:
        for pid in self.children:
            os.kill(pid, number)

    def spawn(self, worker: int) -> None:
        flush_streams()
        output = self.open_output(worker)
        gate_in, gate_out = os.pipe()
        # The child must not run our handlers, nor lose a signal before it has its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            reason = f"cannot start a process: {error.strerror}"
            emit("failed", worker=worker, pid=0, exit=1, reason=reason, traceback="")
        if pid == 0:
            os.close(gate_out)
            self.become_worker(worker, gate_in, output)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if pid > 0:
            self.children[pid] = worker
            emit("spawned", worker=worker, pid=pid)
            os.write(gate_out, b"1")
        os.close(gate_in)
        os.close(gate_out)
        if output is not None:
            os.close(output)

    def open_output(self, worker: int) -> int | None:
        """The pipe that worker `worker` prints to. We keep an end: so what a dead one has printed can still be read."""
        if not self.config.get("capture_output"):
            return None
        path = os.path.join(self.config["directory"], f"output-{worker}")
        if worker not in self.outputs:
            make_fifo(path)
            self.outputs[worker] = os.open(path, os.O_RDWR)
        return os.open(path, os.O_WRONLY)

    def become_worker(self, worker: int, gate: int, output: int | None) -> None:
        """The child's way; `gate` opens when `spawned` is told, so that no event of the child precedes it.

        It ends unopened where the spawner died before: then nobody knows of this process, and another takes its place.
        """
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.close(self.wake_in)
            os.close(self.wake_out)
            self.children.clear()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            if not os.read(gate, 1):
                os._exit(1)
            os.close(gate)
            if output is not None:
                print_to(output)
            for kept in self.outputs.values():
                os.close(kept)
            run_worker(self.config, worker, self.app)
        except BaseException as error:
            log("error", "worker could not start", error)
            flush_streams()
            os._exit(1)
        sys.exit(0)

    def reap(self) -> None:
        """Only our own children: a preloaded app may have some too, and waits for them itself."""
        for pid, worker in list(self.children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.children[pid]
                killed = os.WIFSIGNALED(status)
                emit(
                    "exited", worker=worker, pid=pid, code=None if killed else os.WEXITSTATUS(status),
                    signal=os.WTERMSIG(status) if killed else None, traceback=self.take_trace(worker),
                )  # fmt: skip
        if self.orphans:
            self.orphans.reap(self.children)

    def take_trace(self, worker: int) -> str:
        path = os.path.join(self.config["directory"], f"trace-{worker}")
        try:
            with open(path, "rb") as file:
                trace = file.read(TRACE_LIMIT)
            os.unlink(path)
        except OSError:
            return ""
        return trace.decode("utf-8", "replace")
