"""Big answers through a pipe that takes the pages they lie in."""
from __future__ import annotations

import errno
import os
import sys
import unittest
from unittest import mock

from .front import ABORT, BODY, DATA, END, FREED, HEAD, PULL, RESPONSE, SPLICED, STORED, Frame, Front
from .test_memory import pattern

try:
    from wsgi_core_worker import pages
except ImportError:  # a Python without ctypes
    pages = None

MIB = 1 << 20
LAST = 1


def has_pages() -> bool:
    pipe = pages and pages.create_pages(MIB)
    if not pipe:
        return False
    pipe.close()
    return True


class PagesTest(unittest.TestCase):
    reads_pipes = False

    def setUp(self) -> None:
        self.boot()

    def boot(self, **config: object) -> Front:
        self.front = Front("zoo:app", reads_pages=True, reads_pipes=self.reads_pipes, **config).boot()
        self.addCleanup(self.front.close)
        return self.front

    def ask(self, path: str, query: object, **extra) -> Frame:
        return self.front.ask(path, QUERY_STRING=str(query), **extra)

    def read_answer(self, head: Frame) -> tuple[bytes, list[int]]:
        """The body that follows a head, and the kinds of the frames that it came in."""
        body, kinds = head.body, []
        while not kinds or kinds[-1] != END:
            frame = self.front.wait_frame()
            if frame.request == head.request:
                kinds.append(frame.kind)
            body += frame.body if frame.kind == DATA else b""
            if frame.kind == SPLICED:
                body += self.front.read_spliced(frame)
        return body, kinds

    def free(self) -> None:
        """Answer what a worker asks that has given a larger body."""
        frame = self.front.wait_frame(0)
        self.assertEqual((frame.kind, frame.flags, self.front.read_spliced(frame)), (SPLICED, 1, b""))

    def test_a_big_whole_answer_is_spliced(self) -> None:
        for size in (65_536, MIB - 1, MIB, MIB + 1, MIB + 20_000, 5 * MIB + 77):
            head = self.ask("/pattern", size)
            self.assertEqual(head.kind, HEAD)
            self.assertEqual(head.headers[-1], ("Content-Length", str(size)))
            body, kinds = self.read_answer(head)
            self.assertTrue(body == pattern(size), size)
            self.assertLessEqual(set(kinds), {SPLICED, DATA, END})
            if size > MIB:
                self.free()

    def test_a_smaller_one_is_sent(self) -> None:
        frame = self.ask("/pattern", 65_535)
        self.assertEqual((frame.kind, frame.body), (RESPONSE, pattern(65_535)))

    def test_chunks_of_any_size_keep_their_order(self) -> None:
        sizes = (10, 70_000, 16_384, 65_536, 1, MIB, 3 * MIB + 5, 65_535, 200_000)
        body, kinds = self.read_answer(self.ask("/chunks", ",".join(map(str, sizes))))
        self.assertTrue(body == b"".join(map(pattern, sizes)))
        self.assertIn(DATA, kinds)
        self.assertIn(SPLICED, kinds)

    def test_what_is_unread_stays_as_it_is(self) -> None:
        heads = [self.ask("/pattern", 200_000 + number) for number in range(3)]
        for _ in range(20):
            self.assertEqual(self.ask("/pattern", 1_000).body, pattern(1_000))
        for number, head in enumerate(heads):
            body, _ = self.read_answer(head)
            self.assertTrue(body == pattern(200_000 + number))

    def test_what_is_unread_outlives_the_worker(self) -> None:
        head = self.ask("/pattern", 300_000)
        self.front.stop_workers()
        body, _ = self.read_answer(head)
        self.assertTrue(body == pattern(300_000))

    def test_waits_for_room(self) -> None:
        head = self.ask("/pattern", 3 * MIB)
        first = self.front.wait_frame(head.request)
        self.assertEqual(first.kind, SPLICED)
        self.front.poll(0.1)
        self.assertEqual([frame for frame in self.front.frames if frame.request == head.request], [])
        body = self.front.read_spliced(first) + self.read_answer(head)[0]
        self.assertTrue(body == pattern(3 * MIB))

    def test_frees_come_between_other_frames(self) -> None:
        self.read_answer(self.ask("/pattern", 2 * MIB))
        self.free()
        pull = self.ask("/echo", "", body=b"", kind=4, length=4, CONTENT_LENGTH="4")
        self.assertEqual(pull.kind, PULL)
        self.front.reply(pull, BODY, b"late", flags=LAST)
        self.assertIn(b"late", self.front.wait_frame(pull.request).body)

    def test_a_client_that_leaves_within_a_chunk(self) -> None:
        head = self.ask("/chunks", f"10,{8 * MIB}")
        frames = [self.front.wait_frame(head.request)]
        self.front.leave_client(head)
        self.front.read_spliced(frames[0])
        while frames[-1].kind != ABORT:
            frames.append(self.front.wait_frame())
            if frames[-1].kind == SPLICED:
                self.front.read_spliced(frames[-1])
        self.assertEqual([frame.request for frame in frames if frame.flags], [0])
        body, _ = self.read_answer(self.ask("/pattern", 100_000))
        self.assertTrue(body == pattern(100_000))

    def test_with_very_many_threads_memory_is_used(self) -> None:
        self.boot(workers=33, reads_memory=True)
        head = self.ask("/pattern", 100_000)
        frame = self.front.wait_frame(head.request)
        self.assertEqual(frame.kind, STORED)
        self.assertTrue(self.front.read_stored(frame) == pattern(100_000))
        self.front.reply(frame, FREED)


class PagesAndPipeTest(PagesTest):
    reads_pipes = True


class PagePipeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.pipe = pages.create_pages(MIB)
        self.addCleanup(lambda: self.pipe.close())

    def test_lets_go_what_is_read(self) -> None:
        first, second = pattern(100_000), pattern(200_000)
        self.pipe.place(first, 0, 100_000)
        self.pipe.place(second, 50_000, 150_000)
        self.assertEqual([body for _, body in self.pipe.kept][-2:], [first, second])
        self.assertTrue(os.read(self.pipe.source, 100_001) == first + second[50_000:50_001])
        self.pipe.forget_read()
        self.assertEqual([body for _, body in self.pipe.kept], [second])
        self.assertTrue(os.read(self.pipe.source, 200_000) == second[50_001:])
        self.pipe.forget_read()
        self.assertFalse(self.pipe.kept)

    def test_what_is_unread_at_the_end_is_never_freed(self) -> None:
        body = pattern(100_000)
        self.pipe.place(body, 0, len(body))
        references = sys.getrefcount(body)
        self.pipe.close()
        self.assertEqual(sys.getrefcount(body), references)
        self.pipe = pages.create_pages(MIB)

    def test_what_nobody_can_read_any_more_is_freed(self) -> None:
        body = pattern(100_000)
        self.pipe.place(body, 0, len(body))
        references = sys.getrefcount(body)
        self.pipe.end_reading()
        self.pipe.close()
        self.assertEqual(sys.getrefcount(body), references - 1)
        self.pipe = pages.create_pages(MIB)

    def test_goes_on_after_a_signal(self) -> None:
        answers = iter([(-1, errno.EINTR), (7, 0)])

        def interrupted(*_: object) -> int:
            count, error = next(answers)
            pages.ctypes.set_errno(error)
            return count

        with mock.patch.object(pages, "vmsplice", interrupted):
            _, count = self.pipe.place(b"x" * 10, 0, 10)
        self.assertEqual(count, 7)

    def test_tells_other_errors(self) -> None:
        self.pipe.end_reading()
        with self.assertRaises(BrokenPipeError):
            self.pipe.place(b"x" * 10, 0, 10)

    def test_is_not_made_where_the_system_has_none(self) -> None:
        for missing in (None, mock.Mock(return_value=-1)):
            with mock.patch.object(pages, "vmsplice", missing), mock.patch.object(pages.ctypes, "get_errno", return_value=errno.ENOSYS):
                self.assertIsNone(pages.create_pages(MIB))

    def test_is_not_made_where_no_descriptor_is_left_or_objects_move(self) -> None:
        with mock.patch.object(pages.os, "pipe", side_effect=OSError(errno.EMFILE, "too many")):
            self.assertIsNone(pages.create_pages(MIB))
        with mock.patch.object(pages.sys, "implementation", mock.Mock()):
            self.assertIsNone(pages.create_pages(MIB))

    def test_all_pipes_together_have_a_bound(self) -> None:
        sizes = [pages.pipe_size(count) for count in (1, 16, 17, 32, 33, 1_000)]
        self.assertEqual(sizes[:5], [MIB, MIB, MIB // 2, MIB // 2, MIB // 4])
        self.assertIsNone(pages.create_pages(sizes[4]))


if not has_pages():
    for case in (PagesTest, PagesAndPipeTest, PagePipeTest):
        unittest.skip("this system has no vmsplice, or this Python no ctypes")(case)


if __name__ == "__main__":
    unittest.main()
