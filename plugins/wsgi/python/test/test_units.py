"""Parts by themselves: heads, targets, events, links, files."""
from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import sys
import tempfile
import threading
import unittest
from unittest import mock

from wsgi_core_worker import control, head, link, protocol, target, worker
from wsgi_core_worker.file_wrapper import FileWrapper, locate_file

from .front import APPS


class HeadTest(unittest.TestCase):
    def encode(self, status="200 OK", headers=()):
        return head.encode_head(status, list(headers))

    def test_legal_heads(self) -> None:
        self.assertEqual(self.encode(), (b"200 OK", None, False))
        self.assertEqual(self.encode("204 ")[2], True)
        self.assertEqual(self.encode("599 \xe4\t!")[0], b"599 \xe4\t!")
        self.assertEqual(self.encode(headers=[("X!#$%&'*+-.^_`|~9", "")])[0], b"200 OK\0X!#$%&'*+-.^_`|~9\0")
        every = "\t" + "".join(map(chr, [*range(32, 127), *range(128, 256)]))
        self.assertEqual(self.encode(headers=[("X", every)])[0], b"200 OK\0X\0" + every.encode("latin-1"))
        self.assertEqual(self.encode(headers=[("content-LENGTH", "007")])[1], 7)

    def test_subclasses_are_as_good(self) -> None:
        class Headers(list):
            pass

        class Header(tuple):
            pass

        self.assertEqual(head.encode_head("200 OK", Headers([Header(("A", "b"))]))[0], b"200 OK\0A\0b")

    def test_illegal_statuses(self) -> None:
        for status in ("200", "099 Low", "600 High", "2000 OK", "200OK", " 200 OK", "200 a\nb", "200 a\0b", "\xb200 OK",
                       "200 \u20ac", b"200 OK", 200, None, "", "200 OK\n"):  # fmt: skip
            with self.subTest(status=status):
                self.assertRaises((TypeError, ValueError), self.encode, status)

    def test_illegal_headers(self) -> None:
        values = ["a\rb", "a\nb", "a\0b", "\x7f", "\x1f", "\u20ac", b"x", None, 5, "a\0X-Other\0b", "x\n"]
        names = ["", "a b", "a:", "a\0b", "\xe4", "a\n", b"a", None, 5]
        for header in [("X", value) for value in values] + [(name, "x") for name in names]:
            with self.subTest(header=header):
                self.assertRaises((TypeError, ValueError), self.encode, "200 OK", [header])
                self.assertRaises((TypeError, ValueError), self.encode, "200 OK", [("A", "b"), header, ("C", "d")])

    def test_illegal_values_of_dropped_headers(self) -> None:
        for name in ("Server", "Connection"):
            self.assertRaises(ValueError, self.encode, "200 OK", [(name, "a\nb")])

    def test_illegal_shapes(self) -> None:
        for headers in ((("A", "b"),), {"A": "b"}, None, iter([("A", "b")]), [["A", "b"]], ["Ab"], [("A",)],
                        [("A", "b", "c")], [("A", "b"), None]):  # fmt: skip
            with self.subTest(headers=headers):
                self.assertRaises(TypeError, head.encode_head, "200 OK", headers)

    def test_size(self) -> None:
        room = head.LARGEST_HEAD - len("200 OK\0X\0")
        self.assertEqual(len(self.encode(headers=[("X", "a" * room)])[0]), head.LARGEST_HEAD)
        self.assertRaises(ValueError, self.encode, "200 OK", [("X", "a" * (room + 1))])

    def test_several_lengths(self) -> None:
        self.assertRaises(ValueError, self.encode, "200 OK", [("Content-Length", "5"), ("content-length", "5")])

    def test_a_file_in_place_of_the_body(self) -> None:
        fields = [("Content-Length", "28"), ("X-Sendfile", "/a"), ("Content-length-x", "1")]
        encoded, length, _ = self.encode(headers=fields)
        self.assertEqual(length, 28)
        self.assertTrue(head.names_file(encoded))
        self.assertEqual(head.without_length(encoded), b"200 OK\0X-Sendfile\0/a\0Content-length-x\x001")
        self.assertTrue(head.names_file(self.encode(headers=[("x-accel-REDIRECT", "/a")])[0]))
        self.assertFalse(head.names_file(self.encode(headers=[("X", "x-sendfile")])[0]))

    def test_caches_are_bounded(self) -> None:
        for index in range(2_000):
            self.encode(f"200 reason {index}", [(f"X-Name-{index}", "x")])
        self.assertLessEqual(max(len(head.known_names), len(head.known_statuses)), head.CACHE_LIMIT)
        self.assertEqual(self.encode("404 New", [("X-New", "x"), ("Date", "x")])[0], b"404 New\0X-New\0x")
        self.assertLessEqual(len(head.known_heads), head.HEADS_LIMIT)

    def test_known_heads(self) -> None:
        fields = [("X-Known", "a"), ("Content-Length", "5")]
        first = head.encode_head("200 OK", fields)
        self.assertIs(head.encode_head("200 OK", list(fields)), first)
        self.assertEqual(head.encode_head("201 Created", fields)[0], b"201 Created\0X-Known\0a\0Content-Length\x005")
        fields[0] = ("X-Known", "b")
        self.assertEqual(head.encode_head("200 OK", fields), (b"200 OK\0X-Known\0b\0Content-Length\x005", 5, False))
        for broken in ([*fields, ("X", "a\r\nb")], [*fields, ("X", b"b")], [*fields, ["X", "b"]], tuple(fields)):
            for _ in range(2):
                self.assertRaises((TypeError, ValueError), head.encode_head, "200 OK", broken)

    def test_long_heads_are_not_kept(self) -> None:
        head.encode_head("200 OK", [("X-Long", "x" * head.HEAD_LIMIT)])
        self.assertFalse([key for key in head.known_heads if ("X-Long", "x" * head.HEAD_LIMIT) in key])


class TargetTest(unittest.TestCase):
    def load(self, spec: str):
        folder, path = os.getcwd(), sys.path[:]
        try:
            return target.load_app({"target": spec, "chdir": APPS, "pythonpath": []})
        finally:
            os.chdir(folder)
            sys.path[:] = path

    def fail(self, spec: str) -> tuple[int, str]:
        with self.assertRaises(target.TargetError) as caught:
            self.load(spec)
        return caught.exception.exit_status, caught.exception.reason

    def test_names(self) -> None:
        for spec in ("targets", "targets:application", "targets:holder.app", "targets:holder.inner.app"):
            self.assertEqual(self.load(spec).__name__, "application", spec)

    def test_factories(self) -> None:
        self.assertEqual(self.load("targets:create()").arguments, ((), {}))
        self.assertEqual(
            self.load('targets:create("prod", -1, [1, {"a": None}], k=1, debug=True)').arguments,
            (("prod", -1, [1, {"a": None}]), {"k": 1, "debug": True}),
        )
        self.assertEqual(self.load("targets:create('a:b.c()')").arguments, (("a:b.c()",), {}))

    def test_targets_that_name_nothing_callable(self) -> None:
        for spec, part in (
            ("targets:missing", "no attribute 'missing' in 'targets'"),
            ("targets:holder.inner.missing", "no attribute 'missing' in 'targets:holder.inner'"),
            ("targets:holder.nothing", "is None"), ("targets:holder.number", "is a int, which is not callable"),
            ("targets:create_none()", "is None"), ("targets:holder.number()", "calls a int"),
            (":app", "names no module"), ("targets:create(x)", "literal"), ("targets:create(**{})", "literal"),
            ("targets:a b", "not understood"), ("targets:create()()", "not understood"),
            ("targets:1", "not understood"),
            ("targets:create(", "not understood"), ("targets:(lambda: 1)()", "not understood"),
        ):  # fmt: skip
            with self.subTest(spec=spec):
                status, reason = self.fail(spec)
                self.assertEqual(status, 4, reason)
                self.assertIn(part, reason)

    def test_targets_that_do_not_import(self) -> None:
        for spec, part in (
            ("targets.py", "names a file; write the module instead: 'targets' or 'targets:app'"),
            ("folder/targets.py:app", "'targets:app'"), ("nowhere", f"no module named 'nowhere' in '{APPS}'"),
            ("nowhere.deep:app", "no module named 'nowhere'"), ("broken", "ValueError: broken on import"),
            ("targets:create_badly()", "factory of target 'targets:create_badly()' failed: ValueError: factory failed"),
        ):  # fmt: skip
            with self.subTest(spec=spec):
                status, reason = self.fail(spec)
                self.assertEqual(status, 3, reason)
                self.assertIn(part, reason)


class EventTest(unittest.TestCase):
    def test_short_events_stay_as_they_are(self) -> None:
        self.assertEqual(control.encode_event({"event": "x", "n": None}), b'{"event": "x", "n": null}\n')

    def test_long_texts_lose_their_middle(self) -> None:
        for text in ("x" * 100_000, "\u20ac\ud800" * 50_000, '"\n' * 60_000):
            line = control.encode_event({"event": "log", "message": "short", "traceback": f"begin{text}end"})
            self.assertTrue(8_000 < len(line) <= protocol.EVENT_LIMIT, len(line))
            event = __import__("json").loads(line)
            self.assertTrue(event["traceback"].startswith("begin") and event["traceback"].endswith("end"))
            self.assertIn("[shortened]", event["traceback"])
            self.assertEqual(event["message"], "short")

    def test_two_long_texts(self) -> None:
        line = control.encode_event({"event": "log", "message": "m" * 90_000, "traceback": "t" * 90_000})
        self.assertLessEqual(len(line), protocol.EVENT_LIMIT)

    def test_an_error_of_our_own_keeps_its_frames(self) -> None:
        try:
            target.parse_expression("a", "a b")
        except target.TargetError as error:
            self.assertIn("parse_expression", control.format_error(error))

    def test_an_error_is_told_where_nothing_can_be_imported(self) -> None:
        with mock.patch.dict(sys.modules, {"traceback": None}):
            self.assertIn("KeyError", control.format_error(KeyError("of the app")))

    def test_emit_survives_a_closed_socket(self) -> None:
        with mock.patch.object(control, "CONTROL", -1):
            control.emit("log", message="nobody listens")


class LinkTest(unittest.TestCase):
    def setUp(self) -> None:
        self.link = link.Link.__new__(link.Link)
        self.link.entry = 5
        self.link.store = None
        self.link.socket, self.far = socket.socketpair()
        self.link.output = self.link.socket.fileno()
        self.far.settimeout(8)
        self.addCleanup(self.link.close)
        self.addCleanup(self.far.close)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.far.recv(size - len(data))
        return data

    def test_partial_sends_are_completed(self) -> None:
        body = os.urandom(40_000)
        wanted = protocol.FRAME.pack(40_004, 9, 1, 0, 5, 4) + b"head" + body
        for first in (0, 3, 16, 20, 21, 30_000, 40_020):
            with self.subTest(first=first), mock.patch.object(os, "writev", self.write_part(first)):
                self.assert_sends(wanted, 9, 1, b"head", body)

    def test_partial_writes_are_completed(self) -> None:
        wanted = protocol.FRAME.pack(1_000, 9, 3, 0, 5, 0) + b"x" * 1_000
        for first in (0, 1, 16, 500, 1_016):
            part = self.write_part(first)
            writes = iter([lambda output, data, part=part: part(output, [data]), os.write])
            write = mock.Mock(side_effect=lambda *arguments, writes=writes: next(writes)(*arguments))
            with self.subTest(first=first), mock.patch.object(link, "write", write):
                self.assert_sends(wanted, 9, 3, b"", b"x" * 1_000)

    def test_a_body_of_the_apps_own_class_is_not_stored(self) -> None:
        body = type("Own", (bytes,), {})(os.urandom(70_000))
        with mock.patch.object(self.link, "can_store", side_effect=AssertionError):
            thread = threading.Thread(target=self.link.send_body, args=(9, protocol.DATA, b"", body))
            thread.start()
            wanted = protocol.FRAME.pack(70_000, 9, protocol.DATA, 0, 5, 0) + body
            self.assertTrue(self.read(len(wanted)) == wanted)
            thread.join(8)

    def assert_sends(self, wanted: bytes, *arguments: object) -> None:
        thread = threading.Thread(target=self.link.send, args=arguments)
        thread.start()
        self.assertEqual(self.read(len(wanted)), wanted)
        thread.join(8)

    def write_part(self, first: int):
        """A write that a signal interrupts after so many bytes."""
        return lambda output, parts: os.write(output, b"".join(parts)[:first]) if first else 0

    def test_end_of_file_is_the_fronts_end(self) -> None:
        self.far.close()
        self.assertRaises(protocol.FrontGone, self.link.receive, protocol.BODY, memoryview(bytearray(5)))
        self.assertRaises(protocol.FrontGone, self.link.send, 1, protocol.END)

    def test_wrong_frames_are_refused(self) -> None:
        for kind, size in ((protocol.TAKEN, 0), (protocol.BODY, 6)):
            self.setUp()
            self.far.sendall(protocol.FRAME.pack(size, 1, kind, 0, 0, 0) + b"x" * size)
            self.assertRaises(protocol.ProtocolError, self.link.receive, protocol.BODY, memoryview(bytearray(5)))

    def test_a_failure_within_a_frame_ends_the_connection(self) -> None:
        source, self.link.output = os.pipe()
        self.addCleanup(os.close, source)
        with mock.patch.object(link, "write", side_effect=KeyError("from a signal handler")):
            self.assertRaises(KeyError, self.link.send, 1, protocol.DATA, b"", b"x")
        self.assertEqual((self.link.socket.fileno(), self.link.output), (-1, -1))
        self.assertEqual(os.read(source, 1), b"")  # its end


class FileWrapperTest(unittest.TestCase):
    def test_plain_files(self) -> None:
        with tempfile.NamedTemporaryFile() as named, tempfile.TemporaryFile() as unnamed:
            for file in (named, unnamed):
                file.write(b"0123456789")
                file.seek(4)
                self.assertEqual(locate_file(file), (file.fileno(), 4, 6))
            with open(named.name, "rb") as buffered, open(named.name, "rb", 0) as raw:
                self.assertEqual(locate_file(buffered), (buffered.fileno(), 0, 10))
                self.assertEqual(locate_file(raw), (raw.fileno(), 0, 10))

    def test_others(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file")
            with open(path, "wb") as file:
                file.write(b"content")
            reader, writer = os.pipe()
            os.close(writer)
            closed = open(path, "rb")
            closed.close()
            for other in (gzip.GzipFile(path), bz2.BZ2File(path), open(path, encoding="ascii"), open(reader, "rb"),
                          io.BytesIO(b"x"), closed, object(), None):  # fmt: skip
                self.assertIsNone(locate_file(other))
                if hasattr(other, "close"):
                    other.close()

    def test_iteration(self) -> None:
        self.assertEqual(list(FileWrapper(io.BytesIO(b"abcde"), 2)), [b"ab", b"cd", b"e"])
        self.assertFalse(hasattr(FileWrapper(object()), "close"))


class LimitTest(unittest.TestCase):
    def test_jitter(self) -> None:
        self.assertEqual(worker.draw_limit({"max_requests": 0, "max_requests_jitter": 9}), 0)
        self.assertEqual(worker.draw_limit({"max_requests": 5}), 5)
        drawn = {worker.draw_limit({"max_requests": 5, "max_requests_jitter": 3}) for _ in range(300)}
        self.assertEqual(drawn, {5, 6, 7, 8})


if __name__ == "__main__":
    unittest.main()
