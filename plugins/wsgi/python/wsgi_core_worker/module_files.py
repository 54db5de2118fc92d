"""Which files the app consists of: told to the front while it is developed, so that it sees them change."""
from __future__ import annotations

import os
import sys

from .control import OWN_FOLDER, emit

LIBRARIES = ("site-packages", "dist-packages")
# Of the names in one event, in bytes: JSON and the rest of the event must fit as well.
NAMES_LIMIT = 8_000


class ModuleFiles:
    """Tells of each module's file once. The standard library and this package are no part of the app."""

    def __init__(self, worker: int | None) -> None:
        import sysconfig

        self.worker = worker
        self.told: set[str] = set()
        self.modules = 0
        paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
        self.standard = tuple(os.path.realpath(path) + os.sep for path in paths)

    def report_new(self) -> None:
        """After each request: most import nothing, and then this is one comparison."""
        if len(sys.modules) != self.modules:
            self.report([])

    def report(self, more: list[str]) -> None:
        self.modules = len(sys.modules)
        names = [*more, *(getattr(module, "__file__", None) for module in list(sys.modules.values()))]
        files = {os.path.abspath(name) for name in names if isinstance(name, str)} - self.told
        self.told |= files
        self.send([name for name in sorted(files) if self.is_of_app(name)])

    def is_of_app(self, name: str) -> bool:
        real = os.path.realpath(name)
        if real.startswith(OWN_FOLDER):
            return False
        return not real.startswith(self.standard) or any(part in LIBRARIES for part in real.split(os.sep))

    def send(self, names: list[str]) -> None:
        batch: list[str] = []
        size = 0
        for name in names:
            size += len(name.encode("utf-8", "surrogateescape")) * 2
            if batch and size > NAMES_LIMIT:
                self.emit(batch)
                batch, size = [], 0
            batch.append(name)
        if batch:
            self.emit(batch)

    def emit(self, names: list[str]) -> None:
        emit("files", worker=self.worker, pid=os.getpid(), files=names)


def files_of_error(error: BaseException | None) -> list[str]:
    """Where the error arose, frame by frame, and the file that cannot be compiled."""
    files: list[str] = []
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            files.append(trace.tb_frame.f_code.co_filename)
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename:
            files.append(error.filename)
        error = error.__cause__ or error.__context__
    return [name for name in files if not name.startswith("<")]
