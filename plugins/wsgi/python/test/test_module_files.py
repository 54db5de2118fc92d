"""Which files the app consists of: told where the front asks for it, and nowhere else."""
from __future__ import annotations

import os
import tempfile
import textwrap
import unittest

from .front import Front

APP = """
    import json
    import part

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/later":
            import later
        start_response("200 OK", [])
        return [b"x"]
"""


class ModuleFilesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="wsgi-core-test-")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        for name, text in {"shop": APP, "part": "", "later": "", "broken": "import part\ndef app(:\n"}.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, f"{name}.py"), "w") as file:
            file.write(textwrap.dedent(text))

    def front(self, target: str = "shop:app", **config: object) -> Front:
        front = Front(target, chdir=self.folder, **{"report_files": True, **config})
        self.addCleanup(front.close)
        return front

    def files(self, front: Front) -> list[str]:
        front.poll(0)
        names = [name for event in front.events if event["event"] == "files" for name in event["files"]]
        self.assertEqual(len(names), len(set(names)))
        return sorted(os.path.relpath(name, self.folder) for name in names if name.startswith(self.folder))

    def test_nothing_is_told_unasked(self) -> None:
        front = self.front(report_files=False).boot()
        front.ask("/later")
        self.assertEqual([event["event"] for event in front.events], ["started", "spawned", "ready"])

    def test_modules_of_the_app_before_it_is_ready(self) -> None:
        for preload in (False, True):
            front = self.front(preload=preload).boot()
            self.assertEqual(self.files(front), ["part.py", "shop.py"])
            self.assertEqual(front.events[-1]["event"], "ready")
            names = [name for event in front.events for name in event.get("files", [])]
            own = [name for name in names if "json" in name or "wsgi_core_worker" in name]
            self.assertEqual(own, [])

    def test_a_module_that_is_imported_later(self) -> None:
        front = self.front().boot()
        front.ask("/later")
        front.wait_event("files", files=[os.path.join(self.folder, "later.py")])
        front.ask("/later")
        self.assertEqual(self.files(front), ["later.py", "part.py", "shop.py"])

    def test_what_cannot_be_imported_and_who_wanted_it(self) -> None:
        self.write("wants", "import broken\n")
        for preload in (False, True):
            front = self.front("wants:app", preload=preload)
            if not preload:
                front.open_fifos().spawn(0)
            front.wait_event("failed")
            self.assertEqual(self.files(front), ["broken.py", "wants.py"])

    def test_many_names_are_told_in_several_events(self) -> None:
        for number in range(200):
            self.write(f"{'m' * 100}{number}", "")
        self.write("many", "\n".join(f"import {'m' * 100}{n}" for n in range(200)) + "\nfrom shop import app\n")
        front = self.front("many:app").boot()
        self.assertEqual(len(self.files(front)), 203)
        self.assertGreater(sum(event["event"] == "files" for event in front.events), 2)

    def test_no_compiled_file_hides_a_change(self) -> None:
        self.front().boot()
        self.assertNotIn("__pycache__", os.listdir(self.folder))
