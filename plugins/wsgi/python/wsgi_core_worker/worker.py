"""A worker's life: boot, signals, serving, leaving."""
from __future__ import annotations

import errno
import faulthandler
import fcntl
import gc
import itertools
import os
import signal
import sys
import time

from .control import emit, log
from .copies import end_by, watch_forks
from .file_wrapper import FileWrapper, choose_sendfile
from .loop import Lane, SharedFiles, serve
from .module_files import ModuleFiles, files_of_error
from .response import Answer
from .protocol import FrontGone
from .scoreboard import LEAVING, SERVING, STATE, boot_entry, open_entries
from .target import TargetError, load_app

# Seconds between two looks at the memory in use.
WEIGH_EVERY = 1.0
# What the environ of each request has from here, beside what the front sends.
OWN_KEYS = (
    "wsgi.input", "wsgi.early_hints", "wsgi_core.request_id", "wsgi_core.queue_time", "wsgi_core.body_time",
    "wsgi_core.client_gone",
)  # fmt: skip
# Workers for each core from which on they mostly wait for one another.
CROWD = 4
F_SETPIPE_SZ = 1031
PIPE_SIZES = (1 << 20, 1 << 19, 1 << 18, 1 << 17)


class Life:
    """Whether this process goes on; shared by its threads and signal handlers."""

    def __init__(
        self,
        number: int,
        entries: list[memoryview],
        limit: int,
        files: ModuleFiles | None = None,
        memory_limit: int = 0,
    ) -> None:
        self.number = number
        self.entries = entries
        self.limit = limit
        self.files = files
        self.memory_limit = memory_limit
        self.weigh_at = 0.0
        self.leaving = False
        self.numbers = itertools.count(1)

    def leave(self, reason: str) -> None:
        """Each thread stops after what it executes; told to the front once."""
        if not self.leaving:
            self.leaving = True
            set_state(self.entries, LEAVING)
            emit("leaving", worker=self.number, pid=os.getpid(), reason=reason)

    @property
    def counts(self) -> bool:
        """Whether `count_request` has anything to do."""
        return bool(self.limit or self.files or self.memory_limit)

    def count_request(self) -> None:
        if next(self.numbers) == self.limit:
            emit("leaving", worker=self.number, pid=os.getpid(), reason="max_requests")
        if self.files is not None:
            self.files.report_new()
        if self.memory_limit and time.monotonic() >= self.weigh_at:
            self.weigh()

    def check_limit(self) -> None:
        """A memory limit below what the loaded app takes would replace each worker after its first request."""
        size = resident_size()
        if self.memory_limit and size > self.memory_limit:
            self.memory_limit = 0
            log("error", f"--max-worker-memory is below the {size >> 20}M of a worker that has just started; it is not heeded")

    def weigh(self) -> None:
        """Wish to be replaced, once, when the process has grown past its limit."""
        self.weigh_at = time.monotonic() + WEIGH_EVERY
        size = resident_size()
        if size > self.memory_limit:
            self.memory_limit = 0
            emit("leaving", worker=self.number, pid=os.getpid(), reason="max_memory", size=size)


def run_worker(config: dict, number: int, app=None) -> None:
    """Boot worker `number` and serve until it leaves; an app that cannot be loaded ends the process."""
    directory, threads = config["directory"], config["threads"]
    signal.signal(signal.SIGINT, quit_at_once)
    signal.signal(signal.SIGQUIT, quit_at_once)
    trace = open(os.path.join(directory, f"trace-{number}"), "wb", 0)
    faulthandler.enable(trace, all_threads=True)
    first = number * threads
    entries = open_entries(directory, first, threads)
    for entry in entries:
        boot_entry(entry)
    Answer.files = files = watch_files(config, number)
    if app is None:
        app = load_or_exit(config["app"], number, files)
        gc.freeze()
    choose_sendfile(config["app"].get("sendfile", True))
    shared = SharedFiles(directory, config["fronts"], config["workers"] * threads)
    widen(shared.queue)
    lanes = [Lane(directory, first + index, entry, shared) for index, entry in enumerate(entries)]
    life = Life(number, entries, draw_limit(config), files, config.get("max_worker_memory", 0))
    life.check_limit()

    own = os.getpid()

    def terminate(*_: object) -> None:
        if os.getpid() == own:
            life.leave("signal")
        else:
            end_by(signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    watch_forks(lanes)
    set_state(entries, SERVING)
    if files is not None:
        files.report([])
    emit("ready", worker=number, pid=os.getpid())
    if config["workers"] > CROWD * (os.cpu_count() or 1):
        run_uninterrupted()
    serve_all(lanes, life, app, create_base(config))


def quit_at_once(*_: object) -> None:
    os._exit(0)


def watch_files(config: dict, worker: int | None) -> ModuleFiles | None:
    """For the front that asks. Then the app changes often, and a .pyc does not tell two saves of one second apart."""
    if not config.get("report_files"):
        return None
    sys.dont_write_bytecode = True
    return ModuleFiles(worker)


def load_or_exit(settings: dict, worker: int | None, files: ModuleFiles | None = None):
    try:
        return load_app(settings)
    except TargetError as error:
        if files is not None:
            files.report(files_of_error(error))
        emit(
            "failed", worker=worker, pid=os.getpid(), exit=error.exit_status, reason=error.reason,
            traceback=error.traceback,
        )  # fmt: skip
        flush_streams()
        # Threads that the app has started by now must not keep the process.
        os._exit(error.exit_status)


def flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def print_to(output: int) -> None:
    """Standard output and error go to this pipe, each line at once."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)
        except (AttributeError, OSError, ValueError):
            pass  # closed, or not a text stream of our own


def widen(queue: int) -> None:
    """A larger pipe holds more slots: 256 instead of 16. The kernel may refuse it to a user with many pipes."""
    for size in PIPE_SIZES if sys.platform == "linux" else ():
        try:
            fcntl.fcntl(queue, F_SETPIPE_SZ, size)
            return
        except OSError:
            continue


def draw_limit(config: dict) -> int:
    """max_requests with this worker's own jitter, so that workers do not all leave together; 0 is none."""
    limit, jitter = config.get("max_requests", 0), config.get("max_requests_jitter", 0)
    if not limit:
        return 0
    return limit + int.from_bytes(os.urandom(4), "little") % (jitter + 1)


def resident_size() -> int:
    """Bytes of memory that the process has in use, shared pages included: RSS, as ps and top show it. 0: not known."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def set_state(entries: list[memoryview], state: int) -> None:
    for entry in entries:
        entry[STATE] = state


def create_base(config: dict) -> dict:
    """What is the same in the environ of each request, and room for the rest."""
    base = {
        **config.get("environ", {}),
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr or open(os.devnull, "w"),
        "wsgi.multithread": config["threads"] > 1,
        "wsgi.multiprocess": config["workers"] > 1,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        "wsgi_core.generation": config["generation"],
        **dict.fromkeys(OWN_KEYS),
    }
    # CPython makes room for as many keys again, and copies keep it: no request has its environ grow
    base.update(dict(base))
    return base


def serve_all(lanes: list[Lane], life: Life, app, base: dict) -> None:
    """Serve in the main thread, or in threads while the main thread waits for signals."""
    if len(lanes) == 1:
        serve_lane(lanes[0], life, app, base)
        return
    import threading

    finished = threading.Semaphore(0)

    def run(lane: Lane) -> None:
        try:
            serve_lane(lane, life, app, base)
        finally:
            finished.release()

    for lane in lanes:
        threading.Thread(target=run, args=(lane,), name=f"wsgi-core-{lane.number}", daemon=True).start()
    for _ in lanes:
        finished.acquire()


def serve_lane(lane: Lane, life: Life, app, base: dict) -> None:
    try:
        serve(lane, life, app, base)
    except FrontGone as error:
        if error.errno == errno.EBADF:
            abandon()
        life.leave("signal")
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.EBADF:
            abandon()
        log("error", "worker failed", error)
        flush_streams()
        os._exit(1)
    finally:
        lane.close()


def run_uninterrupted() -> None:
    """Where all cores are busy, whoever wakes up lets another worker, or the front, finish its turn (sched(7)).

    Each change costs both of them their caches. A policy that somebody has chosen stays.
    """
    if not hasattr(os, "SCHED_BATCH"):
        return
    try:
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        pass  # a sandbox that forbids it: only slower


def abandon() -> None:
    """The app has closed descriptors that are not its own: no answer can leave any more, nor any event."""
    text = f"worker {os.getpid()} ends: its application has closed the worker's own file descriptors\n"
    try:
        os.write(2, text.encode())
    except OSError:
        pass
    os._exit(1)
