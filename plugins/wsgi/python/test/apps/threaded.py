"""Starts a thread that never ends when it is imported."""
import threading

threading.Thread(target=threading.Event().wait).start()
