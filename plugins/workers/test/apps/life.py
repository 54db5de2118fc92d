"""Paths that do to their worker whatever can happen to one. Signs are files: in `notes` the app tells what it does,
and it waits until a file appears.
"""
import ctypes
import os
import signal
import threading
import time

BARRIER = threading.Barrier(4)


def note(text):
    with open("notes", "a") as file:
        file.write(text + "\n")


def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.01)


def app(environ, start_response):
    action, _, argument = environ["PATH_INFO"][1:].partition("/")
    return ACTIONS[action](environ, start_response, argument)


def answer(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def pid(environ, start_response, _):
    return answer(start_response, str(os.getpid()))


def show(environ, start_response, key):
    return answer(start_response, repr(environ.get(key)))


def leave(environ, start_response, status):
    note(f"leave {os.getpid()}")
    os._exit(int(status))


def crash(environ, start_response, _):
    note(f"crash {os.getpid()}")
    ctypes.string_at(0)


def wait(environ, start_response, name):
    """Answers once the file `go` or `go-NAME` is there."""
    note(f"begin {name} {os.getpid()}")
    while not (os.path.exists("go") or os.path.exists(f"go-{name}")):
        time.sleep(0.01)
    note(f"done {name}")
    return answer(start_response, f"{name} {os.getpid()}")


def slow(environ, start_response, _):
    """Takes half a second, and longer while the file `hold` is there."""
    note("begin slow")
    time.sleep(0.5)
    while os.path.exists("hold"):
        time.sleep(0.01)
    return answer(start_response, "slow")


def sleep_in_c(environ, start_response, _):
    note(f"begin sleep {os.getpid()}")
    time.sleep(600)


def hold_the_gil(environ, start_response, _):
    """C code that never gives other Python code a turn."""
    note(f"begin gil {os.getpid()}")
    ctypes.PyDLL(None).sleep(600)


def ignore_signals(environ, start_response, _):
    signal.signal(signal.SIGABRT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(f"begin ignore {os.getpid()}")
    time.sleep(600)


def barrier(environ, start_response, _):
    """Passed only when four requests are executed at once."""
    BARRIER.wait(60)
    return answer(start_response, str(environ["wsgi.multithread"]))


class Stream:
    """Chunks without end, one each time that the file `more` is there; notes what is done to it."""

    def __init__(self, name):
        self.name = name
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        if self.count > 2:
            wait_for("more")
        time.sleep(0.01)
        return b"chunk %d\n" % self.count

    def close(self):
        note(f"closed {self.name}")


def stream(environ, start_response, name):
    note(f"begin {name} {os.getpid()}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Stream(name)


class HangsInClose:
    def __iter__(self):
        return iter([b"all of it"])

    def close(self):
        note(f"begin close {os.getpid()}")
        time.sleep(600)


def hang_in_close(environ, start_response, _):
    start_response("200 OK", [("Content-Length", "9")])
    return HangsInClose()


def big(environ, start_response, size):
    """A whole answer that takes long to hand over."""
    note(f"begin big {os.getpid()}")
    return answer(start_response, "x" * int(size))


def work(environ, start_response, milliseconds):
    """Takes long enough that a worker is most often at it."""
    environ["wsgi.input"].read()
    time.sleep(int(milliseconds or 3) / 1000)
    return answer(start_response, str(os.getpid()))


KEPT = []


def grow(environ, start_response, megabytes):
    """Memory that is in use and stays so."""
    KEPT.append(b"x" * (int(megabytes) << 20))
    return answer(start_response, str(os.getpid()))


def close_descriptors(environ, start_response, _):
    note(f"closerange {os.getpid()}")
    os.closerange(3, 100)
    return answer(start_response, "closed")


def write_to_control(environ, start_response, _):
    os.write(3, b'junk\n{}\nnull\n7\n{"event": 7}\n')
    return answer(start_response, "written")


def scribble(environ, start_response, _):
    """Writes to whatever is open, as one does with a number that was another file's."""
    for descriptor in range(3, 64):
        try:
            if "trace" not in os.readlink(f"/proc/self/fd/{descriptor}"):
                os.write(descriptor, b"What was meant for another file.\n" * 3)
        except OSError:
            pass
    return answer(start_response, "written")


def write_and_leave(environ, start_response, _):
    note(f"leave {os.getpid()}")
    os.write(3, b"no end of line")
    os._exit(5)


def fork(environ, start_response, how):
    """Comes back twice, from the new process first."""
    parent = os.getpid()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        note(f"ended {os.waitstatus_to_exitcode(status)}")
    elif how == "exit":
        raise SystemExit(4)
    elif how == "raise":
        raise RuntimeError("of a copy")
    text = "the worker" if os.getpid() == parent else "a copy"
    return answer(start_response, text * (30_000 if how == "big" else 1))


def fork_in_stream(environ, start_response, _):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def chunks():
        yield b"one "
        yield b"two "
        child = os.fork()
        yield b"three "
        if child:
            os.waitpid(child, 0)
        yield b"four"

    return chunks()


def terminate_child(environ, start_response, _):
    import multiprocessing

    note("begin parent")

    def sleep():
        note("begin child")
        time.sleep(600)

    process = multiprocessing.get_context("fork").Process(target=sleep)
    process.start()
    while "begin child\n" not in open("notes").readlines():
        time.sleep(0.01)
    process.terminate()
    process.join(60)
    return answer(start_response, str(process.exitcode))


def die(how):
    """Ends this process, this thread or this answer, in the way that is named."""
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "sysexit":
        raise SystemExit(3)
    if how == "thread":
        ctypes.PyDLL(None).pthread_exit(None)
    raise RuntimeError(how)


def part(environ, start_response, how):
    """The first part of an answer; the rest never comes. `length/HOW`: it was announced."""
    kind, _, how = how.rpartition("/")
    headers = [("Content-Type", "text/plain")]
    if kind == "length":
        headers.append(("Content-Length", "1000"))
    start_response("200 OK", headers)

    def chunks():
        yield b"the first part\n"
        wait_for("more")
        die(how)

    return chunks()


def two_heads(environ, start_response, _):
    """What comes of two threads that call write() at the same moment."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"one")
    write.__self__.head_sent = False
    return [b"two"]


ACTIONS = {
    "two-heads": two_heads,
    "pid": pid,
    "show": show,
    "exit": leave,
    "crash": crash,
    "wait": wait,
    "slow": slow,
    "sleep": sleep_in_c,
    "gil": hold_the_gil,
    "ignore": ignore_signals,
    "barrier": barrier,
    "stream": stream,
    "close": hang_in_close,
    "big": big,
    "work": work,
    "grow": grow,
    "closerange": close_descriptors,
    "part": part,
    "control": write_to_control,
    "scribble": scribble,
    "fork": fork,
    "fork-in-stream": fork_in_stream,
    "terminate-child": terminate_child,
    "write-and-leave": write_and_leave,
}
