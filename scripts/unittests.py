"""Runs the unittests below a folder; the last line of stdout is the counts as JSON.

unittest's own summary counts skipped tests among those run on most Pythons, but not on 3.12.1.
"""

import json
import os
import sys
import unittest


class CountingResult(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


folder = os.path.abspath(sys.argv[1])
suite = unittest.defaultTestLoader.discover(folder, top_level_dir=os.path.dirname(folder))
result = unittest.TextTestRunner(resultclass=CountingResult).run(suite)
failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
passed = result.passed + len(result.expectedFailures)
print(json.dumps({"passed": passed, "failed": failed, "skipped": len(result.skipped)}))
