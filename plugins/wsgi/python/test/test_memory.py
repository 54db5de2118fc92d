"""Big answers through memory that the front reads by itself."""
from __future__ import annotations

import os
import unittest

from .front import BODY, DATA, END, FREED, HEAD, PULL, RESPONSE, STORED, Frame, Front

AREA = 1 << 20
LAST = 1


def pattern(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


@unittest.skipUnless(hasattr(os, "memfd_create"), "this system has no memfd_create")
class MemoryTest(unittest.TestCase):
    reads_pipes = False

    def setUp(self) -> None:
        self.front = Front("zoo:app", reads_memory=True, reads_pipes=self.reads_pipes).boot()
        self.addCleanup(self.front.close)

    def ask(self, path: str, query: object, **extra) -> Frame:
        return self.front.ask(path, QUERY_STRING=str(query), **extra)

    def read_answer(self, head: Frame) -> tuple[bytes, list[int]]:
        """The body that follows a head, and the kinds of the frames that it came in."""
        body, kinds = head.body, []
        while not kinds or kinds[-1] != END:
            frame = self.front.wait_frame(head.request)
            kinds.append(frame.kind)
            body += frame.body if frame.kind == DATA else b""
            if frame.kind == STORED:
                body += self.front.read_stored(frame)
                self.front.reply(frame, FREED)
        return body, kinds

    def test_a_big_whole_answer_is_stored(self) -> None:
        for size in (65_536, AREA, AREA + 1, 5 * AREA):
            head = self.ask("/pattern", size)
            self.assertEqual(head.kind, HEAD)
            self.assertEqual(head.headers[-1], ("Content-Length", str(size)))
            body, kinds = self.read_answer(head)
            self.assertTrue(body == pattern(size), size)
            self.assertEqual(kinds, [STORED] * (size // AREA or 1) + [DATA] * (size == AREA + 1) + [END])

    def test_a_smaller_one_is_sent(self) -> None:
        frame = self.ask("/pattern", 65_535)
        self.assertEqual(frame.kind, RESPONSE)
        self.assertEqual(frame.body, pattern(65_535))

    def test_big_chunks_of_a_stream_are_stored(self) -> None:
        body, kinds = self.read_answer(self.ask("/pattern_stream", 3 * AREA))
        self.assertTrue(body == pattern(3 * AREA))
        self.assertEqual(kinds.count(STORED), 3)

    def test_waits_until_the_front_has_freed_an_area(self) -> None:
        head = self.ask("/pattern", 3 * AREA)
        stored = [self.front.wait_frame(head.request) for _ in range(2)]
        self.assertEqual([frame.kind for frame in stored], [STORED, STORED])
        self.front.poll(0.1)
        self.assertEqual([frame for frame in self.front.frames if frame.request == head.request], [])
        first = self.front.read_stored(stored[0])
        self.front.reply(stored[0], FREED)
        third = self.front.wait_frame(head.request)
        body = first + self.front.read_stored(stored[1]) + self.front.read_stored(third)
        self.assertTrue(body == pattern(3 * AREA))
        self.assertEqual(self.front.wait_frame(head.request).kind, END)

    def test_freed_comes_between_other_frames(self) -> None:
        head = self.ask("/pattern", AREA)
        stored = self.front.wait_frame(head.request)
        pull = self.ask("/echo", "", body=b"", kind=4, length=4, CONTENT_LENGTH="4")
        while pull.kind != PULL:
            pull = self.front.wait_frame()
        self.front.reply(stored, FREED)
        self.front.reply(pull, BODY, b"late", flags=LAST)
        answer = self.front.wait_frame(pull.request)
        self.assertIn(b"late", answer.body)


if __name__ == "__main__":
    unittest.main()
