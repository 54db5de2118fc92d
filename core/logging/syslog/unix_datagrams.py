"""Sends each line of standard input as a datagram to the Unix socket that is named; Node has no such sockets.

An empty line ends a batch: the answer is one line: how many messages, from one that failed on, were not
sent, how many are lost because they are too long, and why.
"""
from __future__ import annotations

import errno
import socket
import struct
import sys

SEND_SECONDS = 5


class Sender:
    def __init__(self, path: str) -> None:
        self.path = path
        self.socket: socket.socket | None = None

    def send(self, message: bytes) -> None:
        """Once more over a new socket where the receiver was started anew."""
        if self.socket is not None:
            try:
                self.socket.send(message)
                return
            except (ConnectionError, FileNotFoundError):
                self.close()
        self.open().send(message)

    def open(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # The kernel's limit rather than Python's: a receiver that takes nothing must not hold us for ever.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        try:
            opened.connect(self.path)
        except OSError:
            opened.close()
            raise
        self.socket = opened
        return opened

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None


def main() -> None:
    sender = Sender(sys.argv[1])
    left, lost, reason = 0, 0, ""
    for line in sys.stdin.buffer:
        message = line.rstrip(b"\n")
        if not message:
            print(left, lost, reason, flush=True)
            left, lost, reason = 0, 0, ""
        elif left:
            left += 1  # they keep their order
        else:
            try:
                sender.send(message)
            except OSError as error:
                reason = f"{error.strerror}: {sender.path}"
                if error.errno == errno.EMSGSIZE:
                    lost += 1
                else:
                    left = 1


if __name__ == "__main__":
    main()
