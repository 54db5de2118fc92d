"""Requests and answers through real pipes and sockets: one worker, one shared front."""
from __future__ import annotations

import json
import os
import struct
import unittest

from .front import (
    ABORT, APPS, BODY, DATA, END, FILE, FOLDER, HEAD, IN_USE, INFORMATION, LIMIT, MARK, PULL, RESPONSE, TAKEN, Front,
)  # fmt: skip

LAST, GONE = 1, 2


class RequestCase(unittest.TestCase):
    target = "zoo:app"

    @classmethod
    def setUpClass(cls) -> None:
        cls.front = Front(cls.target).boot()
        cls.addClassCleanup(cls.front.close)

    def tearDown(self) -> None:
        front = self.front
        # Each answer is complete and the next request is served as if nothing had been.
        self.assertEqual(front.ask("/closed").status, "200 OK")
        self.assertEqual(list(front.frames), [frame for frame in front.frames if frame.kind == 10])

    def ask(self, path: str, **extra):
        path, _, query = path.partition("?")
        return self.front.ask(path, QUERY_STRING=query, **extra)

    def ask_all(self, path: str, **extra):
        path, _, query = path.partition("?")
        return self.front.ask_all(path, QUERY_STRING=query, **extra)

    def text(self, path: str, **extra) -> str:
        frame = self.ask(path, **extra)
        self.assertEqual((frame.kind, frame.flags), (RESPONSE, 0), frame)
        return frame.body.decode()

    def wait_log(self, request: int, part: str) -> dict:
        def find():
            return [log for log in self.front.logs() if log.get("request") == request and part in log["message"]]

        return self.front.wait(find, f"a log with {part!r}")[0]

    def assert_failed(self, frame, part: str, message: str = "Error handling request /") -> None:
        self.assertEqual((frame.kind, frame.flags, frame.head), (RESPONSE, 1, b"500 Internal Server Error"), frame)
        self.assertEqual(frame.body, b"")
        log = self.wait_log(frame.request, message)
        self.assertEqual(log["level"], "error")
        self.assertIn(part, log["message"] + log.get("traceback", ""))


class EnvironTest(RequestCase):
    def test_environ_has_what_pep_3333_and_we_promise(self) -> None:
        environ = json.loads(self.text("/environ", HTTP_X="\xe4\xff", QUERY="", body=b"abc"))
        expected = {
            "environ type": "dict", "HTTP_X": "\xe4\xff", "QUERY": "", "SERVER_SOFTWARE": "test/1",
            "wsgi.version": [1, 0], "wsgi.url_scheme": "http", "wsgi.multithread": False, "wsgi.multiprocess": False,
            "wsgi.run_once": False, "wsgi.input_terminated": True, "wsgi.input": "BytesIO", "wsgi_core.generation": 7,
            "wsgi_core.body_time": 0.005, "wsgi.file_wrapper": "type", "wsgi.errors": "TextIOWrapper",
        }  # fmt: skip
        self.assertEqual({name: environ.get(name) for name in expected}, expected)
        self.assertIsInstance(environ["wsgi_core.request_id"], int)
        self.assertTrue(0.014 < environ["wsgi_core.queue_time"] < LIMIT)
        self.assertNotIn("", environ)

    def test_environ_of_one_request_does_not_reach_the_next(self) -> None:
        self.text("/environ")
        self.assertNotIn("leak", json.loads(self.text("/environ")))

    def test_request_id_is_that_of_the_slot(self) -> None:
        frame = self.ask("/environ")
        self.assertEqual(json.loads(frame.body)["wsgi_core.request_id"], frame.request)

    def test_errors_go_to_stderr(self) -> None:
        self.ask("/errors")
        self.assertIn("to the log: ", self.front.errors())
        self.assertIn("one\n", self.front.errors())

    def test_environ_in_block(self) -> None:
        self.assertEqual(self.text("/echo", block=3, HTTP_LONG="x" * 20_000), "$")
        self.assertEqual(self.text("/echo", block=3, HTTP_LONG="x" * 20_000, body=b"behind"), "behind$")

    def test_scoreboard_tells_of_the_request(self) -> None:
        board = self.front.board
        frame = self.ask("/wait_input", kind=4, length=1)
        self.assertEqual(board[2], IN_USE | frame.request)
        served, began = board[4], board[3]
        self.front.reply(frame, BODY, b"x", LAST)
        self.assertEqual(self.front.wait_frame(frame.request).kind, RESPONSE)
        self.front.wait(lambda: board[2] == 0, "the end of the request")
        self.assertEqual((board[4], board[3], board[1]), (served + 1, began, 2))


class BodyTest(RequestCase):
    def test_bodies_in_memory_and_file(self) -> None:
        for kind in (1, 2, 3):
            with self.subTest(kind=kind):
                self.assertEqual(self.text("/echo", kind=kind, body=b"ab\ncd\nefg"), "ab\ncd\nefg$")

    def test_large_bodies_in_block_and_file(self) -> None:
        for kind, size in ((2, 65_536), (3, 300_000)):
            frames = self.ask_all("/echo", kind=kind, body=b"x" * size)
            self.assertEqual(frames[0].body, b"x" * size + b"$")

    def test_body_file_is_removed(self) -> None:
        frame = self.ask("/echo", kind=3, body=b"content")
        self.assertRaises(FileNotFoundError, open, self.front.path(f"body-0-{frame.request}"))

    def test_missing_body_file_fails_its_request_only(self) -> None:
        self.assert_failed(self.ask("/echo", kind=3, body=b"x", body_file=False), "FileNotFoundError")

    def test_each_way_of_reading(self) -> None:
        body = b"line\nsecond\nthird"
        expected = {
            "lines": "line\n|second\n|third$", "readline": "lin|e\n|se|cond\nthird$",
            "readlines": "line\n#s#econd\nthird$", "parts": "li||ne\n|second\nthird|$", "": "line\nsecond\nthird$",
        }  # fmt: skip
        for how, result in expected.items():
            for kind in (1, 2, 3):
                with self.subTest(how=how, kind=kind):
                    self.assertEqual(self.text(f"/echo?{how}", kind=kind, body=body), result)

    def pull(self, how: str, body: bytes, known: bool, step: int) -> bytes:
        """The answer when the front gives `step` bytes for each PULL."""
        request = self.front.send("/echo", QUERY_STRING=how, kind=4, length=len(body) if known else 2**64 - 1)
        frame = self.front.wait_frame(request)
        while frame.kind == PULL:
            wanted = int.from_bytes(frame.body, "little")
            self.assertGreater(wanted, 0)
            chunk, body = body[: min(step, wanted)], body[min(step, wanted) :]
            self.front.reply(frame, BODY, chunk, 0 if body else LAST)
            frame = self.front.wait_frame(request)
        self.assertEqual((frame.kind, frame.flags), (RESPONSE, 0), frame)
        self.assertIsNot(frame.way, self.front.answers)
        return frame.body

    def test_on_demand(self) -> None:
        for how in ("lines", "readline", "readlines", "parts", ""):
            expected = self.text(f"/echo?{how}", body=b"line\nsecond\nthird").encode()
            for known in (True, False):
                for step in (1, 7, 100):
                    with self.subTest(how=how, known=known, step=step):
                        self.assertEqual(self.pull(how, b"line\nsecond\nthird", known, step), expected)

    def test_on_demand_large_and_empty(self) -> None:
        large = bytes(range(256)) * 2_000
        self.assertEqual(self.pull("", large, True, 50_000), large + b"$")
        self.assertEqual(self.pull("lines", b"a" * 200_000, False, 200_000), b"a" * 200_000 + b"$")
        self.assertEqual(self.pull("", b"", False, 1), b"$")

    def test_on_demand_of_length_zero_asks_nothing(self) -> None:
        self.assertEqual(self.text("/echo", kind=4, length=0), "$")

    def test_on_demand_partly_read(self) -> None:
        self.assertEqual(self.pull("some", b"abcdef", True, 3), b"ab")
        self.assertEqual(self.text("/nothing", kind=4, length=50), "")

    def test_on_demand_with_client_gone(self) -> None:
        frame = self.ask("/echo", kind=4, length=10)
        self.front.reply(frame, BODY, b"", GONE)
        self.assert_failed(self.front.wait_frame(frame.request), "ConnectionResetError")


class WholeAnswerTest(RequestCase):
    def test_list_becomes_one_frame_with_content_length(self) -> None:
        for query, body in (("one", b"one"), ("a,b,,c", b"abc"), ("", b"")):
            frame = self.ask(f"/whole?{query}")
            self.assertEqual((frame.kind, frame.flags, frame.body, frame.entry), (RESPONSE, 0, body, 0))
            self.assertEqual(frame.head, b"200 OK\0Content-Type\0text/plain\0Content-Length\0%d" % len(body))
            self.assertEqual(frame.way, self.front.answers)

    def test_way_depends_on_the_size(self) -> None:
        overhead = 16 + len(b"200 OK\0Content-Length\x004000")
        for size, by_fifo in ((4_096 - overhead, True), (4_097 - overhead, False)):
            frame = self.ask(f"/size?{size}")
            self.assertEqual((frame.size + 16 <= 4_096, len(frame.body)), (by_fifo, size))
            self.assertEqual(frame.way == self.front.answers, by_fifo)

    def test_huge_answers_and_heads_go_by_the_socket(self) -> None:
        frame = self.ask("/size?5000000")
        self.assertEqual((frame.kind, frame.body), (RESPONSE, b"x" * 5_000_000))
        frame = self.ask("/head_size?100000")
        self.assertEqual((frame.kind, frame.body, len(frame.headers[0][1])), (RESPONSE, b"ok", 100_000))
        self.assertIsNot(frame.way, self.front.answers)

    def test_empty_list(self) -> None:
        self.assertEqual(self.ask("/nothing").headers[-1], ("Content-Length", "0"))

    def test_cookies_keep_their_order(self) -> None:
        self.assertEqual(
            self.ask("/cookies").headers,
            [
                ("Set-Cookie", "a=1"), ("X-Between", "\xe4"), ("Set-Cookie", "b=2"), ("set-cookie", "c"),
                ("Content-Length", "2"),
            ],  # fmt: skip
        )

    def test_hop_by_hop_is_dropped_with_one_warning(self) -> None:
        for _ in range(2):
            self.assertEqual(self.ask("/hop").headers, [("X-Fine", "x"), ("Content-Length", "0")])
        names = ["Connection", "keep-alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade"]
        self.front.wait(lambda: len(self.front.logs("warning")) >= len(names), "warnings")
        told = [log["message"].split("'")[1] for log in self.front.logs("warning")]
        self.assertEqual(told, names)


class BodilessTest(RequestCase):
    def test_head_of_a_list_tells_the_length(self) -> None:
        frame = self.ask("/whole?abc", method="HEAD")
        self.assertEqual((frame.body, frame.headers[-1]), (b"", ("Content-Length", "3")))
        self.assertEqual(self.ask("/nothing", method="HEAD").headers, [("Content-Type", "text/plain")])
        self.assertEqual(self.ask("/size?500000", method="HEAD").headers, [("Content-Length", "500000")])

    def test_head_iterates_no_further_than_start_response(self) -> None:
        frame = self.ask("/lazy_head", method="HEAD")
        self.assertEqual((frame.kind, frame.body, frame.headers[-1]), (RESPONSE, b"", ("Content-Length", "8")))
        self.assertEqual(self.text("/kept?steps"), "1")

    def test_head_of_a_stream(self) -> None:
        frame = self.ask("/stream", method="HEAD")
        self.assertEqual((frame.kind, frame.headers), (RESPONSE, [("Content-Type", "text/plain")]))
        self.assertEqual(self.text("/closed"), "stream")
        self.assertEqual([frame.kind for frame in self.ask_all("/lazy", method="HEAD")], [RESPONSE])

    def test_head_with_write(self) -> None:
        frames = self.ask_all("/write", method="HEAD")
        self.assertEqual([(frame.kind, frame.body) for frame in frames], [(HEAD, b""), (END, b"")])

    def test_statuses_without_body(self) -> None:
        for status in ("204 No Content", "304 Not Modified", "199 Odd"):
            for extra in ({}, {"as_list": "1"}):
                frame = self.ask(f"/status?{status}", **extra)
                self.assertEqual((frame.kind, frame.head), (RESPONSE, status.encode()))
                self.assertEqual(frame.body, b"")
            frames = self.ask_all(f"/status_write?{status}")
            self.assertEqual([(frame.kind, frame.body) for frame in frames], [(HEAD, b""), (END, b"")])

    def test_content_length_stays_in_304_and_not_in_204(self) -> None:
        for status, headers in (("304 Not Modified", [("Content-Length", "4")]), ("204 No Content", [])):
            self.assertEqual(self.ask(f"/status?{status}", with_length="1").headers, headers)


class StreamTest(RequestCase):
    def test_first_chunk_is_out_before_the_second_is_made(self) -> None:
        first = self.ask("/stream", kind=4, length=1)
        self.assertEqual((first.kind, first.head, first.body), (HEAD, b"200 OK\0Content-Type\0text/plain", b"first"))
        pull = self.front.wait_frame(first.request)
        self.assertEqual(pull.kind, PULL)
        self.front.reply(pull, BODY, b"x", LAST)
        rest = [self.front.wait_frame(first.request) for _ in range(2)]
        self.assertEqual([(frame.kind, frame.body) for frame in rest], [(DATA, b"second"), (END, b"")])
        self.assertEqual(self.text("/closed"), "stream")

    def test_start_response_at_the_first_chunk(self) -> None:
        frames = self.ask_all("/lazy")
        self.assertEqual([(frame.kind, frame.body) for frame in frames], [(HEAD, b"lazy"), (END, b"")])

    def test_write_is_out_before_it_returns(self) -> None:
        first = self.ask("/write", kind=4, length=1)
        self.assertEqual((first.kind, first.body), (HEAD, b"written"))
        pull = self.front.wait_frame(first.request)
        self.front.reply(pull, BODY, b"x", LAST)
        rest = [self.front.wait_frame(first.request) for _ in range(3)]
        self.assertEqual([(f.kind, f.body) for f in rest], [(DATA, b"more"), (DATA, b"returned"), (END, b"")])

    def test_exc_info_replaces_the_head(self) -> None:
        frame = self.ask("/replace")
        self.assertEqual((frame.status, frame.headers[:1]), ("418 Teapot", [("Content-Type", "text/plain")]))
        self.assertEqual(frame.body, b"tea")

    def test_exc_info_after_the_head_raises_again(self) -> None:
        frames = self.ask_all("/too_late")
        self.assertEqual([(frame.kind, frame.body) for frame in frames], [(HEAD, b"out"), (ABORT, b"")])
        self.assertIn("ValueError: too late", self.wait_log(frames[0].request, "Error handling")["traceback"])
        self.assertEqual(self.text("/closed"), "too_late")

    def test_early_hints_and_answer_go_one_way(self) -> None:
        hints = self.ask("/hints")
        self.assertEqual((hints.kind, hints.status), (INFORMATION, "103 Early Hints"))
        self.assertEqual(hints.headers, [("Link", "</style.css>; rel=preload")])
        answer = self.front.wait_frame(hints.request)
        self.assertEqual((answer.kind, answer.body, answer.way), (RESPONSE, b"hinted", hints.way))

    def test_stale_references_raise(self) -> None:
        frame = self.ask("/keep", kind=4, length=5)
        self.assertEqual(frame.body, b"kept")
        self.assertEqual(self.text("/use_kept"), "RuntimeError,RuntimeError,RuntimeError,ValueError")


class LengthTest(RequestCase):
    def test_excess_is_dropped(self) -> None:
        for how in ("list", "stream"):
            frames = self.ask_all(f"/length?5,{how},abc+defgh+i")
            self.assertEqual(b"".join(frame.body for frame in frames), b"abcde")
            self.assertIn(frames[-1].kind, (RESPONSE, END))
            log = self.wait_log(frames[0].request, "more bytes than its Content-Length of 5")
            self.assertEqual(log["level"], "error")

    def test_first_chunk_that_is_all_of_it_is_the_answer(self) -> None:
        for path in ("/length?5,stream,abcde", "/after_whole"):
            frame = self.ask(path)
            self.assertEqual((frame.kind, frame.head), (RESPONSE, b"200 OK\0Content-Length\x005"))
            self.assertEqual((len(frame.body), frame.way), (5, self.front.answers))
        frame = self.ask(f"/length?100000,stream,{'x' * 100_000}", block=1)
        self.assertEqual((frame.kind, frame.body), (RESPONSE, b"x" * 100_000))
        self.assertEqual(self.text("/closed"), "length,after_whole,length")

    def test_fault_after_all_of_it_is_logged(self) -> None:
        for how, part in (("raise", "after the whole"), ("restart", "ValueError: after the whole"), ("text", "not str")):
            frame = self.ask(f"/after_whole?{how}")
            self.assertEqual((frame.kind, frame.flags, frame.body), (RESPONSE, 0, b"whole"))
            self.assertIn(part, self.wait_log(frame.request, "Error handling")["traceback"])
            self.assertEqual(self.text("/closed"), "after_whole")
        frame = self.ask("/length?5,stream,abcde+f")
        self.assertEqual((frame.kind, frame.body), (RESPONSE, b"abcde"))
        self.wait_log(frame.request, "more bytes than its Content-Length of 5")

    def test_input_on_demand_can_be_read_after_all_of_it(self) -> None:
        first = self.ask("/after_whole?read", kind=4, length=3)
        self.assertEqual((first.kind, first.body), (HEAD, b"whole"))
        pull = self.front.wait_frame(first.request)
        self.assertEqual(pull.kind, PULL)
        self.front.reply(pull, BODY, b"abc", LAST)
        self.assertEqual(self.front.wait_frame(first.request).kind, END)
        self.assertEqual(self.text("/kept?read"), "b'abc'")

    def test_declared_zero(self) -> None:
        frames = self.ask_all("/length?0,stream,abc")
        self.assertEqual([(frame.kind, frame.body) for frame in frames], [(HEAD, b""), (END, b"")])

    def test_too_few_before_the_head(self) -> None:
        self.assert_failed(self.ask("/length?5,list,abc"), "/length", "gave 3 of the 5 bytes")
        self.assert_failed(self.ask("/length?5,stream,"), "/length", "gave 0 of the 5 bytes")

    def test_too_few_after_the_head(self) -> None:
        frames = self.ask_all("/length?5,stream,ab+c")
        self.assertEqual([frame.kind for frame in frames], [HEAD, DATA, ABORT])
        self.wait_log(frames[0].request, "gave 3 of the 5 bytes")
        self.assertEqual(self.text("/closed"), "length")

    def test_malformed(self) -> None:
        for value in ("", "-1", "+5", "5 ", "0x5", "\xb2", "9" * 16, "5.0"):
            self.assert_failed(self.ask(f"/length?{value},list,abc"), "Content-Length must be a decimal number")


class FailureTest(RequestCase):
    def test_exception_before_the_head(self) -> None:
        frame = self.ask("/raise")
        self.assert_failed(frame, "ValueError: on purpose")
        log = self.wait_log(frame.request, "Error handling request /raise")
        self.assertNotIn("wsgi_core_worker", log["traceback"])
        self.assertIn("zoo.py", log["traceback"])

    def test_path_is_told_as_utf_8(self) -> None:
        frame = self.front.ask("/\xc3\xa4")
        self.assert_failed(frame, "KeyError", "Error handling request /\xe4")

    def test_exceptions_of_odd_kinds(self) -> None:
        self.assert_failed(self.ask("/raise_hidden"), "Nasty")
        self.assert_failed(self.ask("/recurse"), "RecursionError")
        self.assert_failed(self.ask("/none"), "returned None")
        self.assert_failed(self.ask("/no_start"), "without calling start_response")
        self.assert_failed(self.ask("/no_start_stream"), "before calling start_response")
        self.assert_failed(self.ask("/twice"), "again without exc_info")

    def test_exception_in_the_stream(self) -> None:
        frames = self.ask_all("/raise_after")
        self.assertEqual([frame.kind for frame in frames], [HEAD, ABORT])
        self.assertIn("after the head", self.wait_log(frames[0].request, "Error handling")["traceback"])
        self.assert_failed(self.ask("/raise_before_first"), "before the head")
        self.assertEqual(self.text("/closed"), "raise_after,raise_before_first")

    def test_close_that_fails(self) -> None:
        frames = self.ask_all("/bad_close")
        self.assertEqual([frame.kind for frame in frames], [HEAD, END])
        self.assertIn("close failed", self.wait_log(frames[0].request, "Error handling")["traceback"])

    def test_wrong_chunks(self) -> None:
        for kind in ("str", "bytearray", "int", "none"):
            for how in ("one", "two", "iter"):
                with self.subTest(kind=kind, how=how):
                    self.assert_failed(self.ask(f"/chunk?{kind},{how}"), "must be made of bytes")
        self.assert_failed(self.ask("/bytes"), "must be made of bytes, not int")

    def test_injection(self) -> None:
        self.assert_failed(self.ask("/injected"), "illegal in HTTP")
        self.assert_failed(self.ask("/bad_hints"), "illegal in HTTP")
        self.assertEqual(self.text("/swallow"), "recovered")


class GoneTest(RequestCase):
    def test_client_gone_stops_the_iteration(self) -> None:
        first = self.ask("/endless", kind=4, length=2**64 - 1)
        pull = self.front.wait_frame(first.request)
        self.front.leave_client(pull)
        self.front.reply(pull, BODY, b"xy")
        self.assertEqual(self.front.wait_frame(first.request).kind, ABORT)
        self.assertEqual(self.text("/closed"), "endless")

    def test_client_gone_in_write(self) -> None:
        first = self.ask("/gone_write", kind=4, length=2**64 - 1)
        pull = self.front.wait_frame(first.request)
        self.front.leave_client(pull)
        self.front.reply(pull, BODY, b"xy")
        self.assertEqual(self.front.wait_frame(first.request).kind, ABORT)
        self.assertEqual(self.text("/kept?gone error"), "'ClientGone'")
        self.assertEqual(self.text("/kept?gone"), "True")
        self.assertEqual([log for log in self.front.logs() if log.get("request") == first.request], [])

    def test_client_gone_before_the_head(self) -> None:
        pull = self.ask("/big_gone", kind=4, length=2**64 - 1)
        self.front.leave_client(pull)
        second = self.front.wait_frame(pull.request)
        self.front.reply(second, BODY, b"x", LAST)
        self.assertEqual(self.front.wait_frame(pull.request).kind, ABORT)

    def test_gone_of_an_earlier_request_is_no_matter(self) -> None:
        self.front.board[5] = IN_USE | (self.front.next_request - 1)
        self.assertEqual(self.ask_all("/lazy")[-1].kind, END)


class PaceTest(RequestCase):
    def test_the_end_of_an_answer_tells_how_long_the_app_took(self) -> None:
        for path in ("/sleep", "/sleep_stream"):
            quick = self.ask_all(f"{path}?0")[-1]
            slow = self.ask_all(f"{path}?0.3")[-1]
            self.assertIn(quick.kind, (RESPONSE, END))
            self.assertGreater(quick.pace, 0)
            self.assertGreaterEqual(slow.pace, (300_000).bit_length())
            self.assertGreaterEqual(slow.pace, quick.pace)


class FileTest(RequestCase):
    def offer(self, path: str, **extra):
        head = self.ask(path, **extra)
        self.assertEqual((head.kind, head.body), (HEAD, b""), head)
        return head, self.front.wait_frame(head.request)

    def read_offered(self, frame) -> bytes:
        self.assertEqual(frame.kind, FILE)
        pid, descriptor, offset, length = struct.unpack("<IIQQ", frame.body)
        with open(f"/proc/{pid}/fd/{descriptor}", "rb") as file:
            return os.pread(file.fileno(), length, offset)

    def test_regular_file_is_offered(self) -> None:
        head, offer = self.offer("/file?5000")
        self.assertEqual(head.headers[-1], ("Content-Length", "5000"))
        self.assertEqual(self.read_offered(offer), (bytes(range(256)) * 20)[:5000])
        self.front.reply(offer, TAKEN)
        self.assertEqual(self.text("/file_closed"), "True")

    def test_offset_and_content_length_bound_it(self) -> None:
        for query, size, part in (("300,100", "200", slice(100, 300)), ("300,100,50", "50", slice(100, 150))):
            head, offer = self.offer(f"/file?{query}")
            self.assertEqual(head.headers[-1], ("Content-Length", size))
            self.assertEqual(self.read_offered(offer), (bytes(range(256)) * 2)[part])
            self.front.reply(offer, TAKEN)

    def test_refused_file_is_sent_as_data(self) -> None:
        for query, wanted in (("2500", 2500), ("2500,0,1700", 1700)):
            head, offer = self.offer(f"/file?{query}")
            self.front.reply(offer, TAKEN, flags=1)
            frames = [self.front.wait_frame(head.request)]
            while frames[-1].kind == DATA:
                frames.append(self.front.wait_frame(head.request))
            self.assertEqual(frames[-1].kind, END)
            self.assertEqual(b"".join(f.body for f in frames), (bytes(range(256)) * 10)[:wanted])
            self.assertEqual(self.text("/file_closed"), "True")
        self.assertEqual(self.front.logs("error"), [])

    def test_head_and_empty_file(self) -> None:
        frame = self.ask("/file?5000", method="HEAD")
        self.assertEqual((frame.kind, frame.headers[-1], frame.body), (RESPONSE, ("Content-Length", "5000"), b""))
        self.assertEqual(self.text("/file_closed"), "True")
        self.assertEqual(self.ask("/file?0").headers[-1], ("Content-Length", "0"))

    def test_file_shorter_than_content_length(self) -> None:
        self.assert_failed(self.ask("/file?10,0,20"), "/file", "a file of 10 bytes")
        self.front.events = [event for event in self.front.events if event["event"] != "log"]

    def test_what_is_not_a_plain_file_is_iterated(self) -> None:
        frames = self.ask_all("/file_object")
        self.assertEqual([f.body for f in frames], [b"in m", b"emor", b"y", b""])
        self.assertEqual(self.text("/closed"), "object")
        self.assertEqual(self.ask_all("/file_gzip")[0].body, b"unpacked")
        frames = self.ask_all("/file_late")
        self.assertEqual([f.body for f in frames], [b"before", bytes(range(5)), b""])
        self.assert_failed(self.ask("/file_text"), "must be made of bytes, not str")
        self.front.events = [event for event in self.front.events if event["event"] != "log"]


class MarkTest(RequestCase):
    def test_mark_is_answered_in_order(self) -> None:
        request = self.front.send("/nothing")
        self.front.send_control_slot(3, 77)
        self.front.send_control_slot(2)
        self.assertEqual(self.front.wait_frame().request, request)
        mark = self.front.wait_frame()
        self.assertEqual((mark.kind, mark.request, mark.size, mark.way), (MARK, 77, 0, self.front.answers))


class SurroundingsTest(RequestCase):
    def test_children_of_the_app_get_no_descriptor_of_ours(self) -> None:
        shown = self.text("/descriptors")
        for name in (self.front.directory + "/queue", "answers-0", "bodies", "trace-0", "socket:"):
            self.assertNotIn(name, shown)

    def test_our_folder_is_not_on_the_path(self) -> None:
        path, folder = json.loads(self.text("/path"))
        self.assertEqual((path[0], folder), (APPS, APPS))
        self.assertNotIn(FOLDER.rsplit("/", 1)[0], path)


if __name__ == "__main__":
    unittest.main()
