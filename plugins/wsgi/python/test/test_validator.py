"""wsgiref.validate stays silent over all kinds of request."""
from __future__ import annotations

import unittest

from .front import ABORT, BODY, END, PULL, RESPONSE, Front


class ValidatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.front = Front("validated:app").boot()
        cls.addClassCleanup(cls.front.close)

    def tearDown(self) -> None:
        self.assertEqual(self.front.ask("/nothing").status, "200 OK")
        self.assertEqual(self.front.logs(), [])
        self.assertEqual(self.front.errors(), "")

    def body(self, path: str, **extra) -> bytes:
        frames = self.front.ask_all(path, **extra)
        self.assertIn(frames[-1].kind, (RESPONSE, END), self.front.logs())
        self.assertEqual(frames[-1].flags, 0, self.front.logs())
        return b"".join(frame.body for frame in frames)

    def test_answers(self) -> None:
        self.assertEqual(self.body("/whole", QUERY_STRING="a,b"), b"ab")
        self.assertEqual(self.body("/lazy_head"), b"lazyhead")
        self.assertEqual(self.body("/write"), b"writtenmorereturned")
        self.assertEqual(self.body("/replace"), b"tea")
        self.assertEqual(self.body("/stream", body=b"x"), b"firstsecond")
        self.assertEqual(self.body("/file", QUERY_STRING="600"), (bytes(range(256)) * 3)[:600])

    def test_no_body(self) -> None:
        for path in ("/whole", "/lazy_head", "/write", "/nothing", "/file"):
            self.assertEqual(self.body(path, method="HEAD", QUERY_STRING="5"), b"")
        self.assertEqual(self.body("/status", QUERY_STRING="204 No Content"), b"")
        self.assertEqual(self.body("/status", QUERY_STRING="304 Not Modified"), b"")

    def test_methods(self) -> None:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            self.assertEqual(self.body("/whole", method=method, QUERY_STRING="m"), b"m")

    def test_input(self) -> None:
        body = b"a\nbc\n" * 2_000
        self.assertEqual(self.body("/read_all"), b"")
        for kind in (1, 2, 3):
            sent = body[:3_000] if kind == 1 else body
            self.assertEqual(self.body("/read_all", kind=kind, body=sent), sent)

    def test_input_on_demand(self) -> None:
        frame = self.front.ask("/read_all", kind=4, length=2**64 - 1)
        self.assertEqual(frame.kind, PULL)
        self.front.reply(frame, BODY, b"on dem\nand", 1)
        self.assertEqual(self.front.wait_frame(frame.request).body, b"on dem\nand")

    def test_client_gone(self) -> None:
        first = self.front.ask("/endless", kind=4, length=2**64 - 1)
        pull = self.front.wait_frame(first.request)
        self.front.leave_client(pull)
        self.front.reply(pull, BODY, b"x")
        self.assertEqual(self.front.wait_frame(first.request).kind, ABORT)


class ThreadedValidatorTest(ValidatorTest):
    """The same checks behind threads."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.front = Front("validated:app", threads=2, workers=2).boot(2)
        cls.addClassCleanup(cls.front.close)


if __name__ == "__main__":
    unittest.main()
