"""Processes that the app forks are no workers: they have its code, and whatever it was called for, but nobody waits for them."""
from __future__ import annotations

import os
import signal

from .control import log
from .response import Answer


def watch_forks(lanes: list) -> None:
    """From now on a forked process leaves this worker's connections alone, and ends where the app returns."""
    os.register_at_fork(after_in_child=lambda: become_copy(lanes))


def become_copy(lanes: list) -> None:
    Answer.send_whole = Answer.send_result = Answer.send_chunk = Answer.finish = Answer.fail = end_copy
    nowhere = os.open(os.devnull, os.O_RDWR)
    for lane in lanes:
        for link in lane.links.values():
            for descriptor in {link.output, link.socket.fileno()} - {-1}:
                os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


def end_by(number: int) -> None:
    """What a process does that has no handler for this signal: that of the worker would have it go on."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_copy(answer: Answer, outcome: object = None) -> None:
    """What the app was called for is answered where it was forked."""
    from .worker import flush_streams

    status = 0
    if isinstance(outcome, SystemExit):
        status = outcome.code if isinstance(outcome.code, int) else int(outcome.code is not None)
    elif isinstance(outcome, BaseException):
        status = 1
        log("error", "Error in a process that the application has forked", outcome)
    flush_streams()
    os._exit(status & 0xFF)
