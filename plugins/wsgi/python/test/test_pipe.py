"""Frames by a pipe of the worker's own, which the front opens."""
from __future__ import annotations

import fcntl
import os
import sys
import unittest

from wsgi_core_worker.link import LARGE_PIPES, PIPE_SIZE, enlarge

from .front import BODY, END, FILE, HEAD, PULL, RESPONSE, TAKEN, Front
from .test_memory import MemoryTest

F_GETPIPE_SZ = 1032


@unittest.skipUnless(sys.platform == "linux", "the front opens /proc/PID/fd/FD")
class PipeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.front = Front("zoo:app", reads_pipes=True).boot()
        self.addCleanup(self.front.close)
        self.worker = self.front.board[0]

    def ends_of(self, pipe: int) -> int:
        """How many descriptors of the worker are open for this pipe."""
        inode = os.fstat(pipe).st_ino
        return [os.stat(f"/proc/{self.worker}/fd/{name}").st_ino for name in os.listdir(f"/proc/{self.worker}/fd")].count(inode)

    def test_a_stream_comes_by_the_pipe(self) -> None:
        head, *rest = self.front.ask_all("/pattern_stream", QUERY_STRING="5000")
        self.assertEqual((head.kind, rest[-1].kind), (HEAD, END))
        self.assertEqual(len(head.body) + sum(len(frame.body) for frame in rest), 5_000)
        (pipe,) = self.front.pipes
        self.assertEqual(self.front.buffers[head.way], b"")

    def test_each_thread_has_one(self) -> None:
        for _ in range(3):
            self.front.ask_all("/pattern_stream", QUERY_STRING="5000")
        (pipe,) = self.front.pipes
        self.assertEqual(self.ends_of(pipe), 1)  # the writing end

    def test_it_takes_what_the_front_reads_at_once(self) -> None:
        self.front.ask_all("/pattern_stream", QUERY_STRING="5000")
        (pipe,) = self.front.pipes
        self.assertEqual(fcntl.fcntl(pipe, F_GETPIPE_SZ), PIPE_SIZE)

    def test_of_many_each_stays_as_linux_makes_it(self) -> None:
        source, output = os.pipe()
        self.addCleanup(os.close, source)
        self.addCleanup(os.close, output)
        usual = fcntl.fcntl(output, F_GETPIPE_SZ)
        enlarge(output, LARGE_PIPES + 1)
        self.assertEqual(fcntl.fcntl(output, F_GETPIPE_SZ), usual)
        enlarge(output, LARGE_PIPES)
        self.assertEqual(fcntl.fcntl(output, F_GETPIPE_SZ), PIPE_SIZE)

    def test_bodies_on_demand_and_files(self) -> None:
        frame = self.front.ask("/wait_input", kind=4, length=1)
        self.assertEqual(frame.kind, PULL)
        self.front.reply(frame, BODY, b"x", 1)
        self.assertEqual(self.front.wait_frame(frame.request).body, b"got x in MainThread")
        head = self.front.ask("/file", QUERY_STRING="3000")
        file = self.front.wait_frame(head.request)
        self.assertEqual((head.kind, file.kind), (HEAD, FILE))
        self.front.reply(file, TAKEN)

    def test_small_answers_still_go_by_the_common_pipe(self) -> None:
        self.front.ask_all("/pattern_stream", QUERY_STRING="5000")
        frame = self.front.ask("/pattern", QUERY_STRING="10")
        self.assertEqual((frame.kind, frame.way), (RESPONSE, self.front.answers))

    def test_programs_that_the_app_starts_do_not_keep_it_open(self) -> None:
        self.front.ask_all("/pattern_stream", QUERY_STRING="5000")
        listing = self.front.ask("/descriptors")
        (pipe,) = self.front.pipes
        self.assertNotIn(b"pipe:[%d]" % os.fstat(pipe).st_ino, listing.body)

    def test_nobody_reads_any_more(self) -> None:
        self.front.ask("/endless")
        (pipe,) = self.front.pipes
        self.front.forget(pipe)
        event = self.front.wait_event("leaving")
        self.assertEqual(event["reason"], "signal")
        self.front.wait_event("exited", code=0)


class MemoryAndPipeTest(MemoryTest):
    reads_pipes = True


del MemoryTest  # its own file runs it


if __name__ == "__main__":
    unittest.main()
