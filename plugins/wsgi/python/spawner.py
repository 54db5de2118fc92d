"""Launcher: `python spawner.py`, with the control socket as descriptor 3 (docs/worker-protocol.md)."""
from __future__ import annotations

import os
import sys


def launch() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, folder)
    from wsgi_core_worker.spawner import main

    # The app must not find our folder, nor a module of its own hidden by one of ours.
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    main()


if __name__ == "__main__":
    launch()
