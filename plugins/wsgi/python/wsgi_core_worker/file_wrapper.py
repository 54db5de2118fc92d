"""wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling")."""
from __future__ import annotations

import io
import os
import stat


# Whether the front may send files itself (--no-sendfile).
hands_over = True


def choose_sendfile(allowed: bool) -> None:
    global hands_over
    hands_over = allowed


class FileWrapper:
    """Iterates over a file-like object in blocks; returned as it is, the front may send the file itself."""

    def __init__(self, filelike, blksize: int = 8192) -> None:
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        block = self.filelike.read(self.blksize)
        if block:
            return block
        raise StopIteration


def locate_file(filelike) -> tuple[int, int, int] | None:
    """Descriptor, offset and size of the rest, when `filelike` gives the plain bytes of a regular file.

    A fileno() alone proves nothing: GzipFile has one, and gives other bytes than its descriptor.
    """
    if not hands_over or not is_plain(filelike):
        return None
    try:
        filelike.flush()
        descriptor, offset = filelike.fileno(), filelike.tell()
        status = os.fstat(descriptor)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return descriptor, offset, max(status.st_size - offset, 0)


def is_plain(filelike) -> bool:
    if type(filelike).__module__ == "tempfile" and hasattr(filelike, "file"):
        filelike = filelike.file
    if type(filelike) in (io.BufferedReader, io.BufferedRandom):
        filelike = filelike.raw
    return type(filelike) is io.FileIO
