"""Events for the front: one JSON object a line, each by one write, so that writers never mix."""
from __future__ import annotations

import json
import os
import select

from .protocol import CONTROL, EVENT_LIMIT

CUT = "\n    ... [shortened] ...\n"
OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


def emit(event: str, **fields: object) -> None:
    """Send one event; safe in every thread and signal handler. A front that is gone is not an error here."""
    try:
        os.write(CONTROL, encode_event({"event": event, **fields}))
    except OSError:
        pass


def log(level: str, message: str, error: BaseException | None = None, **details: object) -> None:
    """A line for the error log: with the traceback of `error`, and whatever else tells what it is about."""
    fields: dict[str, object] = {"level": level, "message": message, "pid": os.getpid(), **details}
    if error is not None:
        fields["traceback"] = format_error(error)
    emit("log", **fields)


def is_front_gone(patience: int) -> bool:
    """Whether the front has closed its end of the control socket; waits so many milliseconds for that."""
    poll = select.poll()
    poll.register(CONTROL, 0)  # POLLHUP and POLLERR come unasked
    return bool(poll.poll(patience))


def encode_event(event: dict[str, object]) -> bytes:
    """One line of at most EVENT_LIMIT bytes; the longest texts lose their middle."""
    line = json.dumps(event)
    while len(line) >= EVENT_LIMIT:
        name = max((key for key in event if isinstance(event[key], str)), key=lambda key: len(event[key]))
        text = event[name]
        keep = min(len(text) * EVENT_LIMIT // len(line), len(text)) * 9 // 10 - len(CUT)
        event[name] = shorten(text, max(keep, 0))
        line = json.dumps(event)
    return line.encode("ascii") + b"\n"


def shorten(text: str, keep: int) -> str:
    half = keep // 2
    return text[:half] + CUT + text[len(text) - half :]


def format_error(error: BaseException) -> str:
    """The traceback of `error` without the frames of this package and of the import system that precede the app's."""
    trace = error.__traceback__
    while trace is not None and is_internal(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if trace is None and not isinstance(error, SyntaxError):
        trace = error.__traceback__
    try:
        import traceback  # an app may have taken away what that needs: descriptors, the root folder

        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception as failure:  # an exception's own __str__ or __repr__ may fail in any way
        return f"{type(error).__name__} (its traceback cannot be shown: {type(failure).__name__})\n"


def is_internal(filename: str) -> bool:
    return filename.startswith((OWN_FOLDER, "<frozen importlib")) or "/importlib/" in filename
