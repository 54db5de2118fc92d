"""Processes: signals, stop, limits, the spawner's duties, apps that do not load."""
from __future__ import annotations

import json
import os
import select
import signal
import socket
import unittest
from unittest import mock

from .front import BODY, FRAME, IN_USE, PULL, RESPONSE, Front

STOP, WAKE, MARK_SLOT = 1, 2, 3


class LifeCase(unittest.TestCase):
    def front(self, target: str = "zoo:app", **config) -> Front:
        front = Front(target, **config)
        self.addCleanup(front.close)
        return front

    def boot(self, workers: int = 1, **config) -> Front:
        return self.front(**{"workers": workers, **config}).boot(workers)

    def hold(self, front: Front):
        """A request that holds its thread until its PULL is answered."""
        frame = front.ask("/wait_input", kind=4, length=1)
        self.assertEqual(frame.kind, PULL)
        return frame

    def assert_exited(self, front: Front, worker: int = 0, code: int | None = 0, number: int | None = None) -> dict:
        event = front.wait_event("exited", worker=worker)
        self.assertEqual((event["code"], event["signal"]), (code, number), front.errors())
        return event


@unittest.skipUnless(hasattr(os, "SCHED_BATCH"), "only Linux has the policy")
class SchedulingTest(LifeCase):
    crowd = 4 * (os.cpu_count() or 1) + 1

    def test_workers_of_a_crowd_do_not_interrupt_each_other(self) -> None:
        for workers, policy in ((self.crowd, os.SCHED_BATCH), (self.crowd - 1, os.SCHED_OTHER)):
            front = self.front(workers=workers, threads=2).boot(1)
            held = [self.hold(front) for _ in range(2)]
            threads = os.listdir(f"/proc/{front.board[0]}/task")
            self.assertEqual([os.sched_getscheduler(int(thread)) for thread in threads], [policy] * 3)
            for frame in held:
                front.reply(frame, BODY, b"x", 1)

    def test_a_policy_that_somebody_has_chosen_stays(self) -> None:
        front = self.front(workers=self.crowd)
        os.sched_setscheduler(front.pid, os.SCHED_IDLE, os.sched_param(0))  # the spawner's: workers inherit it
        front.boot(1)
        self.assertEqual(os.sched_getscheduler(front.board[0]), os.SCHED_IDLE)


class SpawnerTest(LifeCase):
    def test_events_of_a_start_in_order(self) -> None:
        front = self.boot()
        names = [event["event"] for event in front.events]
        self.assertEqual(names, ["started", "spawned", "ready"])
        started, spawned, ready = front.events
        self.assertEqual((started["pid"], started["version"]), (front.pid, 1))
        self.assertRegex(started["runtime"], r"^CPython 3\.\d+\.\d+$")
        self.assertEqual((spawned["worker"], spawned["pid"]), (0, ready["pid"]))
        self.assertEqual(list(front.board[:3]), [ready["pid"], 2, 0])

    def test_fifos_are_private_and_may_exist(self) -> None:
        front = self.boot()
        for name in ("queue", "answers-0"):
            self.assertEqual(os.stat(front.path(name)).st_mode & 0o777, 0o600)

    def test_queue_is_wide(self) -> None:
        import fcntl

        self.assertGreaterEqual(fcntl.fcntl(self.boot().queue, 1032), 65_536)

    def test_unknown_version(self) -> None:
        front = self.front(version=2)
        self.assertIn("version 2", front.wait_event("failed", worker=None)["reason"])
        self.assertEqual(front.wait_spawner(), 1)

    def test_several_workers_share_the_queue(self) -> None:
        front = self.boot(3)
        held = [self.hold(front) for _ in range(3)]
        self.assertEqual(sorted(frame.entry for frame in held), [0, 1, 2])
        for frame in held:
            front.reply(frame, BODY, b"x", 1)
            self.assertEqual(front.wait_frame(frame.request).body[:5], b"got x")
        self.assertTrue(json.loads(front.ask("/environ").body)["wsgi.multiprocess"])

    def test_kill_reaches_children_only(self) -> None:
        front = self.boot()
        pid = front.board[0]
        front.command({"command": "kill", "pid": os.getpid(), "signal": signal.SIGKILL})
        front.command({"command": "kill", "pid": pid, "signal": signal.SIGKILL})
        self.assert_exited(front, code=None, number=signal.SIGKILL)
        front.command({"command": "kill", "pid": pid, "signal": signal.SIGTERM})
        front.spawn(0)
        front.wait_event("ready", worker=0)
        self.assertNotEqual(front.board[0], pid)

    def test_request_of_a_dead_worker_stays_on_the_scoreboard_until_a_new_one_boots(self) -> None:
        front = self.boot()
        held = self.hold(front)
        front.command({"command": "kill", "pid": front.board[0], "signal": signal.SIGKILL})
        self.assert_exited(front, code=None, number=signal.SIGKILL)
        self.assertEqual(front.board[2] & 0xFFFFFFFF, held.request)
        front.spawn(0)
        front.wait_event("ready", worker=0)
        self.assertEqual(front.board[2], 0)
        self.assertEqual(front.ask("/nothing").kind, RESPONSE)

    def test_stop_ends_the_spawner_after_its_workers(self) -> None:
        front = self.boot(2)
        front.command({"command": "stop"})
        front.spawn(5)
        for _ in range(2):
            front.send_control_slot(STOP)
        self.assertEqual(front.wait_spawner(), 0)
        front.poll(0)
        codes = [event["code"] for event in front.events if event["event"] == "exited"]
        self.assertEqual(codes, [0, 0])
        self.assertNotIn(5, [event.get("worker") for event in front.events])

    def test_stop_without_workers(self) -> None:
        front = self.front().open_fifos()
        front.command({"command": "stop"})
        self.assertEqual(front.wait_spawner(), 0)

    def test_end_of_the_control_socket_ends_all(self) -> None:
        front = self.boot(2)
        pids = [front.board[0], front.board[8]]
        front.control.close()
        os.close(front.queue)
        front.queue = None
        self.assertEqual(front.wait_spawner(), 0)
        for pid in pids:
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def test_worker_that_hangs_is_killed_after_graceful_timeout(self) -> None:
        front = self.boot(graceful_timeout=0.2)
        front.send("/sleep", QUERY_STRING="60")
        pid = front.board[0]
        front.wait(lambda: front.board[2], "the request")
        front.control.close()
        self.assertEqual(front.wait_spawner(), 0)
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)

    def test_sigterm_ends_and_sigint_does_not(self) -> None:
        front = self.boot()
        os.kill(front.pid, signal.SIGINT)
        self.assertEqual(front.ask("/nothing").kind, RESPONSE)
        os.kill(front.pid, signal.SIGTERM)
        front.wait_event("leaving", reason="signal")
        front.send_control_slot(WAKE)
        self.assertEqual(front.wait_spawner(), 0)

    def test_a_fork_that_fails_is_told(self) -> None:
        from wsgi_core_worker import spawner

        told = []
        lines = mock.Mock(ended=False)
        with mock.patch.object(spawner.signal, "set_wakeup_fd"), mock.patch.object(spawner.signal, "signal"):
            parent = spawner.Spawner({}, None, lines)
        self.addCleanup(os.close, parent.wake_in)
        self.addCleanup(os.close, parent.wake_out)
        failure = OSError(11, "Resource temporarily unavailable")
        with mock.patch.object(spawner.os, "fork", side_effect=failure):
            with mock.patch.object(spawner, "emit", lambda event, **fields: told.append((event, fields["reason"]))):
                parent.spawn(4)
        self.assertEqual(told, [("failed", "cannot start a process: Resource temporarily unavailable")])
        self.assertEqual(parent.children, {})

    def test_a_broken_command_ends_spawner_and_workers(self) -> None:
        front = self.boot()
        front.control.sendall(b"no json\n")
        self.assertEqual(front.wait_event("log")["message"], "spawner failed")
        self.assertEqual(front.wait_spawner(), 1)
        front.wait_event("leaving", reason="signal")

    def test_a_second_front_gets_its_own_answers(self) -> None:
        front = self.front(fronts=[0, 1]).open_fifos()
        answers = os.open(front.path("answers-1"), os.O_RDWR)
        self.addCleanup(os.close, answers)
        front.spawn(0)
        front.wait_event("ready")
        request = front.send("/nothing", front=1)
        front.wait(lambda: select.select([answers], [], [], 0)[0], "the answer")
        self.assertEqual(FRAME.unpack(os.read(answers, 4_096)[:16])[1:3], (request, RESPONSE))
        held = self.hold(front)
        self.assertEqual(front.board[2], IN_USE | held.request)
        front.reply(held, BODY, b"x", 1)
        front.wait_frame(held.request)

    def test_a_front_that_comes_later_gets_its_own_answers(self) -> None:
        front = self.boot(threads=2)
        front.command({"command": "front", "front": 7})
        front.wait_event("front", front=7)
        answers = os.open(front.path("answers-7"), os.O_RDWR)
        self.addCleanup(os.close, answers)
        request = front.send("/nothing", front=7)
        front.wait(lambda: select.select([answers], [], [], 0)[0], "the answer")
        self.assertEqual(FRAME.unpack(os.read(answers, 4_096)[:16])[1:3], (request, RESPONSE))

    def test_a_front_that_dies_costs_its_request_alone(self) -> None:
        front = self.front(fronts=[0, 1]).open_fifos()
        self.addCleanup(os.close, os.open(front.path("answers-1"), os.O_RDWR))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(front.path("front-1.sock"))
        listener.listen()
        front.spawn(0)
        front.wait_event("ready")
        pid = front.board[0]
        front.send("/wait_input", kind=4, length=1, front=1)
        link, _ = listener.accept()
        listener.close()
        link.close()
        front.send("/wait_input", kind=4, length=1, front=1)  # it stood in the pipe
        self.assertEqual(front.ask("/pid").body.split()[0], str(pid).encode())
        front.wait_idle()
        self.assertEqual([event for event in front.events if event["event"] in ("leaving", "log")], [])

    def test_preload_imports_once(self) -> None:
        front = self.boot(2, preload=True, target="counted:app")
        ids = {front.ask("/").body.split()[0] for _ in range(4)}
        self.assertEqual(ids, {str(front.pid).encode()})
        self.assertEqual(front.errors().count("imported"), 1)

    def test_without_preload_each_worker_imports(self) -> None:
        front = self.boot(2, target="counted:app")
        self.assertEqual(front.errors().count("imported"), 2)


class LeavingTest(LifeCase):
    def test_sigterm_while_idle(self) -> None:
        front = self.boot()
        os.kill(front.board[0], signal.SIGTERM)
        event = front.wait_event("leaving", worker=0)
        self.assertEqual((event["reason"], event["pid"], front.board[1]), ("signal", front.board[0], 3))
        front.send_control_slot(WAKE)
        self.assert_exited(front)

    def test_sigterm_during_a_request(self) -> None:
        front = self.boot()
        held = self.hold(front)
        os.kill(front.board[0], signal.SIGTERM)
        front.wait_event("leaving", reason="signal")
        front.reply(held, BODY, b"x", 1)
        self.assertEqual(front.wait_frame(held.request).kind, RESPONSE)
        self.assert_exited(front)

    def test_request_taken_while_leaving_is_answered(self) -> None:
        front = self.boot()
        front.wait_idle()
        os.kill(front.board[0], signal.SIGTERM)
        front.wait_event("leaving")
        self.assertEqual(front.ask("/nothing").kind, RESPONSE)
        self.assert_exited(front)

    def test_sigterm_while_the_app_is_imported(self) -> None:
        front = self.front("slow:app").open_fifos()
        front.spawn(0)
        front.wait(lambda: "importing" in front.errors(), "the import")
        self.assertEqual(front.board[1], 1)
        os.kill(front.board[0], signal.SIGTERM)
        self.assert_exited(front, code=None, number=signal.SIGTERM)

    def test_wake_is_nothing_to_a_worker_that_stays(self) -> None:
        front = self.boot()
        front.send_control_slot(WAKE)
        self.assertEqual(front.ask("/nothing").kind, RESPONSE)

    def test_stop_slot(self) -> None:
        front = self.boot()
        request = front.send("/nothing")
        front.send_control_slot(STOP)
        self.assertEqual(front.wait_frame(request).kind, RESPONSE)
        front.wait_event("leaving", worker=0, reason="stop")
        self.assert_exited(front)

    def test_max_requests_asks_for_a_successor_and_serves_on(self) -> None:
        front = self.boot(max_requests=3)
        for _ in range(2):
            front.ask("/nothing")
        self.assertFalse([event for event in front.events if event["event"] == "leaving"])
        for _ in range(5):
            self.assertEqual(front.ask("/nothing").kind, RESPONSE)
        front.wait_event("leaving", reason="max_requests")
        self.assertEqual(front.board[1], 2)
        os.kill(front.board[0], signal.SIGTERM)
        front.wait_event("leaving", reason="signal")
        front.send_control_slot(WAKE)
        self.assert_exited(front)
        self.assertEqual([event["event"] for event in front.events].count("leaving"), 2)

    def test_system_exit(self) -> None:
        front = self.boot()
        frame = front.ask("/exit")
        self.assertEqual((frame.kind, frame.flags), (RESPONSE, 1))
        self.assertIn("SystemExit: the app had enough", front.wait_event("log")["traceback"])
        self.assert_exited(front)

    def test_sigint_and_sigquit_end_at_once(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT):
            front = self.boot()
            self.hold(front)
            os.kill(front.board[0], number)
            self.assert_exited(front)

    def test_sigabrt_leaves_a_traceback_of_each_thread(self) -> None:
        front = self.boot(threads=2)
        front.send("/sleep", QUERY_STRING="60")
        front.wait(lambda: front.board[2] or front.board[10], "the request")
        front.command({"command": "kill", "pid": front.board[0], "signal": signal.SIGABRT})
        trace = self.assert_exited(front, code=None, number=signal.SIGABRT)["traceback"]
        self.assertIn("in do_sleep", trace)
        self.assertIn("in serve_all", trace)
        self.assertFalse(os.path.exists(front.path("trace-0")))

    def test_end_of_the_queue(self) -> None:
        for threads in (1, 3):
            front = self.boot(threads=threads)
            os.close(front.queue)
            front.queue = None
            self.assert_exited(front)

    def test_broken_answers_pipe_is_a_quiet_end(self) -> None:
        front = self.boot()
        held = self.hold(front)
        os.close(front.answers)
        front.buffers.pop(front.answers, None)
        front.answers = None
        front.reply(held, BODY, b"x", 1)
        front.wait_frame(held.request)
        front.send("/nothing")
        self.assert_exited(front)
        self.assertEqual((front.logs(), front.errors()), ([], ""))

    def test_broken_socket_is_a_quiet_end(self) -> None:
        front = self.boot()
        held = self.hold(front)
        held.way.close()
        self.assert_exited(front)
        self.assertEqual(front.errors(), "")


class ThreadsTest(LifeCase):
    def test_threads_serve_at_the_same_time(self) -> None:
        front = self.boot(threads=3)
        held = [self.hold(front) for _ in range(3)]
        self.assertEqual(sorted(frame.entry for frame in held), [0, 1, 2])
        self.assertEqual(len({frame.way for frame in held}), 3)
        for frame in held:
            front.reply(frame, BODY, b"x", 1)
            answer = front.wait_frame(frame.request)
            self.assertEqual((answer.entry, answer.kind), (frame.entry, RESPONSE))
            self.assertIn(b"wsgi-core-%d" % frame.entry, answer.body)
        self.assertTrue(json.loads(front.ask("/environ").body)["wsgi.multithread"])

    def test_entries_of_the_second_worker(self) -> None:
        front = self.boot(2, threads=2)
        pids = [front.board[entry * 8] for entry in range(4)]
        self.assertEqual((pids[0], pids[2]), (pids[1], pids[3]))
        held = [self.hold(front) for _ in range(4)]
        self.assertEqual(sorted(frame.entry for frame in held), [0, 1, 2, 3])

    def test_each_way_of_leaving(self) -> None:
        for way in ("signal", "stop"):
            front = self.boot(threads=3)
            held = self.hold(front)
            if way == "signal":
                os.kill(front.board[0], signal.SIGTERM)
            else:
                front.send_control_slot(STOP)
            front.wait_event("leaving", reason=way)
            for _ in range(2):
                front.send_control_slot(WAKE)
            front.reply(held, BODY, b"x", 1)
            self.assertEqual(front.wait_frame(held.request).kind, RESPONSE)
            self.assert_exited(front)

    def test_max_requests_counts_all_threads(self) -> None:
        front = self.boot(threads=2, max_requests=4)
        for _ in range(8):
            front.ask("/nothing")
        front.wait_event("leaving", reason="max_requests")
        self.assertEqual([event["event"] for event in front.events].count("leaving"), 1)

    def test_many_requests_of_all_kinds_at_once(self) -> None:
        front = self.boot(2, threads=4)
        wanted = {}
        for index in range(120):
            if index % 3 == 0:
                wanted[front.send("/echo", body=b"%d" % index)] = b"%d$" % index
            elif index % 3 == 1:
                wanted[front.send("/size", QUERY_STRING=str(index * 200))] = b"x" * (index * 200)
            else:
                wanted[front.send("/lazy")] = b"lazy"
        for request, body in wanted.items():
            frames = [front.wait_frame(request)]
            while frames[-1].kind not in (RESPONSE, 4):
                frames.append(front.wait_frame(request))
            self.assertEqual(b"".join(frame.body for frame in frames), body)


class LoadingTest(LifeCase):
    def fail(self, target: str, **config) -> dict:
        """The `failed` event of a worker (or of a preloading spawner) for this target."""
        front = self.front(target, **config)
        if not config.get("preload"):
            front.open_fifos().spawn(0)
        event = front.wait_event("failed")
        if not config.get("preload"):
            self.assert_exited(front, code=event["exit"])
        else:
            self.assertEqual(front.wait_spawner(), event["exit"])
        return event

    def test_import_error(self) -> None:
        event = self.fail("broken:app")
        self.assertEqual((event["exit"], event["worker"]), (3, 0))
        self.assertEqual(event["reason"], "import of 'broken' failed: ValueError: broken on import")
        self.assertIn('broken.py", line 4', event["traceback"])
        self.assertNotIn("wsgi_core_worker", event["traceback"])

    def test_exit_during_import(self) -> None:
        event = self.fail("leaves:app")
        self.assertEqual((event["exit"], event["reason"]), (3, "import of 'leaves' failed: SystemExit: 5"))

    def test_syntax_error(self) -> None:
        event = self.fail("syntax:app")
        self.assertEqual(event["exit"], 3)
        self.assertIn("SyntaxError", event["traceback"])
        self.assertNotIn("importlib", event["traceback"])

    def test_missing_module_names_the_folder(self) -> None:
        event = self.fail("nowhere:app", chdir="/tmp")
        self.assertEqual(event["exit"], 3)
        self.assertIn("no module named 'nowhere' in '/tmp'", event["reason"])

    def test_missing_attribute_and_preload(self) -> None:
        for preload in (False, True):
            event = self.fail("hello:nothing", preload=preload)
            self.assertEqual((event["exit"], event["worker"]), (4, None if preload else 0))
            self.assertEqual(event["reason"], "no attribute 'nothing' in 'hello'; check the target")

    def test_chdir_and_pythonpath(self) -> None:
        front = self.boot(pythonpath=["/tmp", "/usr"])
        path, folder = json.loads(front.ask("/path").body)
        self.assertEqual(path[:3], ["/tmp", "/usr", folder])

    def test_missing_folder(self) -> None:
        event = self.fail("hello:app", chdir="/nonexistent")
        self.assertEqual(event["exit"], 3)
        self.assertIn("cannot change to folder '/nonexistent'", event["reason"])

    def test_failed_preload_with_a_thread_still_ends(self) -> None:
        event = self.fail("threaded:nothing", preload=True)
        self.assertEqual(event["exit"], 4)


if __name__ == "__main__":
    unittest.main()
