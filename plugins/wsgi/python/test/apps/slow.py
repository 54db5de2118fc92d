"""Never done with its import."""
import sys
import threading

print("importing", file=sys.stderr)
threading.Event().wait()
