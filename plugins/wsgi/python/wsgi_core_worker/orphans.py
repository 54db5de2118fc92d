"""Orphans: processes that the app has left behind. Where the front is process 1 nobody else reaps them."""
from __future__ import annotations

import os
import sys

PR_SET_CHILD_SUBREAPER = 36
WAIT = "import os\ntry:\n    while True: os.wait()\nexcept ChildProcessError: pass"


class Orphans:
    """Makes this process the one to which orphans below it fall, and reaps them."""

    def __init__(self) -> None:
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        # What a preloaded app has started by now it waits for itself.
        self.kept = set(children())

    def reap(self, own: dict[int, int]) -> None:
        """All that have ended, but for `own` children, whose end has a meaning."""
        for pid in children(state="Z"):
            if pid not in own and pid not in self.kept:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass  # a thread of a preloaded app was quicker

    def linger(self) -> None:
        """Stay for those that still run, as something small."""
        if set(children()) - self.kept:
            os.execv(sys.executable, [sys.executable, "-IS", "-c", WAIT])


def children(state: str = "") -> list[int]:
    """Of this process, those in that state. (`/proc/self/task/*/children` is not in every kernel.)"""
    parent = str(os.getpid())
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if fields[1] == parent and state in ("", fields[0]):
            found.append(int(name))
    return found
