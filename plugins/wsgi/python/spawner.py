"""Launcher: `python spawner.py`, with the control socket as descriptor 3 (docs/worker-protocol.md)."""
from __future__ import annotations

import os
import sys


def launch() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    take_name()
    from wsgi_core_worker.spawner import main

    # The app must not find our folder, nor a module of its own hidden by one of ours.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    main()


def take_name() -> None:
    """The argument stays in the command line that `ps` shows; workers have both from here."""
    name = " ".join(sys.argv[1:])
    del sys.argv[1:]
    if name and sys.platform == "linux":
        with open("/proc/self/comm", "wb", 0) as file:
            file.write(name.encode("utf-8", "surrogateescape")[:15])


if __name__ == "__main__":
    launch()
