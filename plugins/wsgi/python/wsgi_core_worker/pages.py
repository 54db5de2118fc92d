"""Big bodies through a pipe that takes the pages they lie in: this side copies nothing.

The front reads each body from its own pages, so they must stay as they are until it has: bytes do not change, and are
kept as long.
"""
from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import sys
import termios
from collections import deque

from .link import F_SETPIPE_SZ
from .protocol import SPLICED, SPLICED_PAYLOAD

# With pipes of all threads beyond this, Linux soon makes those small that others of the same user open.
ALL_PIPES = 16 << 20
LARGEST_PIPE = 1 << 20
# With a smaller one a big answer takes so many turns that memory is quicker.
LEAST_PIPE = 1 << 19
PROBE = b"The pages of these bytes come by the pipe."


class IoVector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def find_vmsplice():
    """vmsplice(2); None where the system has none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).vmsplice
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_ssize_t
    function.argtypes = [ctypes.c_int, ctypes.POINTER(IoVector), ctypes.c_ulong, ctypes.c_uint]
    return function


vmsplice = find_vmsplice()


class PagePipe:
    kind = SPLICED
    # a full pipe makes its writer wait
    full = False

    def __init__(self) -> None:
        self.source, self.output = os.pipe()
        self.given = 0
        # bodies of which something may be unread, and up to where they reach
        self.kept: deque[tuple[int, bytes]] = deque()

    def end_reading(self) -> None:
        """The front has the end to read from, or will not have it."""
        os.close(self.source)
        self.source = -1

    def place(self, body: bytes, start: int, size: int) -> tuple[bytes, int]:
        """Put the pages of the next `size` bytes into the pipe; returns the frame's payload, and how many they became."""
        self.forget_read()
        address = ctypes.cast(body, ctypes.c_void_p).value + start
        vector = IoVector(address, size)
        count = vmsplice(self.output, vector, 1, 0)
        while count < 0:
            error = ctypes.get_errno()
            if error != errno.EINTR:
                raise OSError(error, os.strerror(error))
            count = vmsplice(self.output, vector, 1, 0)
        self.given += count
        self.kept.append((self.given, body))
        return SPLICED_PAYLOAD.pack(count), count

    def forget_read(self) -> None:
        """Let go what the front has read."""
        kept = self.kept
        if kept:
            unread = fcntl.ioctl(self.output, termios.FIONREAD, bytes(4))
            read = self.given - int.from_bytes(unread, sys.byteorder)
            while kept and kept[0][0] <= read:
                kept.popleft()

    def has_reader(self) -> bool:
        """Whether somebody may still read; a front that has died does not."""
        poll = select.poll()
        poll.register(self.output, select.POLLOUT)
        return not any(event & select.POLLERR for _, event in poll.poll(0))

    def freed(self) -> None:
        """The front has read all."""
        self.kept.clear()

    def close(self) -> None:
        """What is unread stays as it is until the process is gone: the front may still come to it."""
        try:
            self.forget_read()
        except OSError:  # the descriptor is gone: all that is kept counts as unread
            pass
        if self.has_reader():
            for _, body in self.kept:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(body))
        self.kept.clear()
        os.close(self.output)
        if self.source >= 0:
            os.close(self.source)


def create_pages(size: int) -> PagePipe | None:
    """A pipe of so many bytes; None where that, or what it needs, is not to be had."""
    # elsewhere the collector moves what it likes, and ctypes names a copy
    if vmsplice is None or size < LEAST_PIPE or sys.implementation.name != "cpython":
        return None
    try:
        pipe = PagePipe()
    except OSError:  # no descriptors are left
        return None
    try:
        fcntl.fcntl(pipe.output, F_SETPIPE_SZ, size)
        pipe.place(PROBE, 0, len(PROBE))
        if os.read(pipe.source, len(PROBE)) == PROBE:
            return pipe
    except OSError:  # the user has too many pipes, or a sandbox forbids it
        pass
    pipe.close()
    return None


def pipe_size(pipes: int) -> int:
    """How large each may be where there are so many; a power of two."""
    size = LARGEST_PIPE
    while size * pipes > ALL_PIPES:
        size >>= 1
    return size
