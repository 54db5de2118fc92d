"""Orders in SQLite: the one thing that the shop's workers share.

Each call opens the database anew: a connection must not outlive a fork or change threads.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("SHOP_DATA", Path(__file__).with_name("instance"))).resolve()


def prepare() -> None:
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    with database() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS orders"
            " (id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER, quantity INTEGER)"
        )


def add(item: int, quantity: int) -> dict[str, Any]:
    with database() as connection:
        cursor = connection.execute(
            "INSERT INTO orders (item, quantity) VALUES (?, ?)", (item, quantity)
        )
    return {"id": cursor.lastrowid, "item": item, "quantity": quantity}


def find(order_id: int) -> dict[str, Any] | None:
    return first("SELECT * FROM orders WHERE id = ?", order_id)


def next_after(order_id: int) -> dict[str, Any] | None:
    return first("SELECT * FROM orders WHERE id > ? ORDER BY id LIMIT 1", order_id)


def newest_id() -> int:
    newest = first("SELECT id FROM orders ORDER BY id DESC LIMIT 1")
    return 0 if newest is None else newest["id"]


def remove(order_id: int) -> bool:
    with database() as connection:
        return connection.execute("DELETE FROM orders WHERE id = ?", (order_id,)).rowcount == 1


def first(query: str, *values: int) -> dict[str, Any] | None:
    with database() as connection:
        row = connection.execute(query, values).fetchone()
    return None if row is None else dict(row)


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection that commits at the end, or rolls back on an error, and is closed either way."""
    connection = sqlite3.connect(DATA / "orders.sqlite3")
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            yield connection
    finally:
        connection.close()
