"""Answers that take their time: plain lines that a test can hold back, and orders as events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from flask import abort, current_app

import orders

POLL_SECONDS = 0.05
HEARTBEAT_SECONDS = 15.0
GATE_SECONDS = 30.0


def lines(count: int, gate: Path | None) -> Iterator[str]:
    """Numbered lines. With a gate, each but the first waits until it is opened once more."""
    sent = 0
    try:
        for number in range(1, count + 1):
            if gate is not None and not wait_for_gate(gate, number - 1):
                return
            yield f"line {number}\n"
            sent = number
    finally:
        # The server calls close() when it is done or the client has left: PEP 3333.
        current_app.logger.info("stream closed after %d of %d lines", sent, count)


def gate_file(name: str) -> Path:
    """A gate was opened as often as its file has bytes; so any worker, or a test, can open it."""
    if not name.isascii() or not name.isalnum():
        abort(400, "a gate's name is letters and digits")
    return orders.DATA / f"gate-{name}"


def open_gate(gate: Path) -> None:
    with gate.open("ab") as file:
        file.write(b".")


def wait_for_gate(gate: Path, times: int) -> bool:
    deadline = time.monotonic() + GATE_SECONDS
    while time.monotonic() < deadline:
        if times == 0 or (gate.exists() and gate.stat().st_size >= times):
            return True
        time.sleep(POLL_SECONDS)
    return False


def order_events(last_id: int, limit: int | None) -> Iterator[str]:
    """Server-sent events, one for each order after ``last_id``; ``limit`` ends them."""
    yield ": connected\n\n"
    sent, heartbeat = 0, time.monotonic() + HEARTBEAT_SECONDS
    while limit is None or sent < limit:
        order = orders.next_after(last_id)
        if order is not None:
            last_id, sent = order["id"], sent + 1
            yield f"id: {last_id}\nevent: order\ndata: {json.dumps(order)}\n\n"
        elif time.monotonic() >= heartbeat:
            # Only by writing does a server find out that the reader is gone.
            heartbeat = time.monotonic() + HEARTBEAT_SECONDS
            yield ": still here\n\n"
        else:
            time.sleep(POLL_SECONDS)
