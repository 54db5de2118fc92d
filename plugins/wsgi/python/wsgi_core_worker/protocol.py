"""Numbers and layouts of the worker protocol, version 1."""
from __future__ import annotations

import struct

VERSION = 1
CONTROL = 3
EVENT_LIMIT = 16_384

SLOT_SIZE = 4_096
SLOT_HEAD = 40
BLOCK_SIZE = 65_536
# kind, flags, body, front, request, environ size, block, body size, head read at, body µs, reserved
SLOT = struct.Struct("<BBBBIIIQQII")
REQUEST, STOP, WAKE, MARK_SLOT = range(4)
ENVIRON_IN_BLOCK = 1
BODY_NONE, BODY_INLINE, BODY_BLOCK, BODY_FILE, BODY_PULL = range(5)
UNKNOWN_LENGTH = 2**64 - 1

# payload size, request, type, flags, entry, head size
FRAME = struct.Struct("<IIBBHI")
FRAME_HEAD = 16
ATOMIC_LIMIT = 4_096
RESPONSE, HEAD, DATA, END, ABORT, INFORMATION, FILE, PULL, MARK, HELLO, MEMORY, STORED, PIPE, SPLICE, SPLICED = range(1, 16)
BODY, TAKEN, FREED = 16, 17, 18
APP_FAILED = 1
PACE_SHIFT = 2
BODY_LAST, BODY_GONE = 1, 2
REFUSED = 1
ASKS_FREED = 1

HELLO_PAYLOAD = struct.Struct("<II")
FILE_PAYLOAD = struct.Struct("<IIQQ")
OFFER_PAYLOAD = struct.Struct("<II")
STORED_PAYLOAD = struct.Struct("<QQ")
SPLICED_PAYLOAD = struct.Struct("<Q")
PULL_PAYLOAD = struct.Struct("<I")

EXIT_IMPORT, EXIT_TARGET = 3, 4


class FrontGone(OSError):
    """The front closed its end; the worker has nobody left to serve."""


class ProtocolError(Exception):
    """The front sent what docs/worker-protocol.md does not allow."""
