"""What of an app's imports is shared, and what is left to the workers."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

from wsgi_core_worker.shared_imports import find_source, is_own, leading_imports

from .front import Front

PROGRAM = """
import json, sys
sys.path.insert(0, {folder!r})
from wsgi_core_worker.shared_imports import share_imports
path = list(sys.path)
done = share_imports({{"target": "shop:app", "chdir": {app!r}, "pythonpath": []}})
print(json.dumps([done, path == sys.path, sorted(set({names!r}) & set(sys.modules))]))
"""
FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class SharedImportsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def share(self, *names: str) -> list:
        """Runs in a process of its own; gives [no threads, path untouched, which of `names` are loaded]."""
        program = PROGRAM.format(folder=FOLDER, app=self.folder, names=names)
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.stderr, "")
        import json

        return json.loads(result.stdout)

    def test_takes_the_imports_before_any_other_statement(self) -> None:
        source = self.write("shop.py", '''
            """A docstring."""
            from __future__ import annotations
            import csv, wave
            from email.message import Message
            wave.patch = True
            import colorsys
        ''')
        self.assertEqual(leading_imports(source), ["__future__", "csv", "wave", "email.message"])

    def test_stops_at_a_relative_import(self) -> None:
        source = self.write("shop.py", "import csv\nfrom . import other\nimport wave\n")
        self.assertEqual(leading_imports(source), ["csv"])

    def test_finds_modules_and_packages_in_the_apps_folders_only(self) -> None:
        self.write("shop/__init__.py", "")
        inner = self.write("shop/web.py", "")
        self.assertEqual(find_source("shop.web", [self.folder]), inner)
        self.assertIsNone(find_source("json", [self.folder]))

    def test_knows_the_apps_own_modules_from_libraries_beside_them(self) -> None:
        self.write("models.py", "")
        self.write(".venv/lib/site-packages/library.py", "")
        sys.path[:0] = [self.folder, os.path.join(self.folder, ".venv/lib/site-packages")]
        self.addCleanup(sys.path.__delitem__, slice(0, 2))
        self.assertTrue(is_own("models", [self.folder]))
        self.assertFalse(is_own("library", [self.folder]))
        self.assertFalse(is_own("json", [self.folder]))

    def test_loads_libraries_and_leaves_the_app_alone(self) -> None:
        self.write("shop.py", "import colorsys\nimport models\nimport wave\n")
        self.write("models.py", "raise SystemExit('loaded in the spawner')\n")
        self.assertEqual(self.share("colorsys", "models", "shop", "wave"), [True, True, ["colorsys"]])

    def test_leaves_an_import_that_fails_to_the_worker(self) -> None:
        self.write("shop.py", "import colorsys\nimport no_such_library\nimport wave\n")
        self.assertEqual(self.share("colorsys", "wave"), [True, True, ["colorsys"]])

    def test_leaves_source_that_is_no_python_to_the_worker(self) -> None:
        self.write("shop.py", "import colorsys\ndef (\n")
        self.assertEqual(self.share("colorsys"), [True, True, []])

    def test_says_when_a_library_starts_threads(self) -> None:
        self.write("site-packages/busy.py", """
            import threading
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        """)
        self.write("shop.py", "import busy\n")
        program = PROGRAM.format(folder=FOLDER, app=self.folder, names=[])
        environment = dict(os.environ, PYTHONPATH=os.path.join(self.folder, "site-packages"))
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, env=environment,
        )  # fmt: skip
        self.assertEqual(result.stdout.strip(), "[false, true, []]", result.stderr)

    def test_begins_with_them_before_the_configuration(self) -> None:
        note = os.path.join(self.folder, "note")
        self.write("site-packages/library.py", f"import os\nopen({note!r}, 'a').write(f'{{os.getpid()}} ')\n")
        self.write("shop.py", """
            def app(environ, start_response):
                start_response("200 OK", [])
                return [b"shop"]
            import library
        """)
        self.write("first.py", "import library\n")
        os.environ["PYTHONPATH"] = os.path.join(self.folder, "site-packages")
        self.addCleanup(os.environ.pop, "PYTHONPATH")
        front = Front("shop:app", chdir=self.folder, ahead={"target": "first:app", "chdir": self.folder})
        self.addCleanup(front.close)
        self.assertEqual(front.boot().ask().body, b"shop")
        with open(note, encoding="ascii") as file:
            self.assertEqual(file.read(), f"{front.pid} ", "once, in the spawner")


if __name__ == "__main__":
    unittest.main()
