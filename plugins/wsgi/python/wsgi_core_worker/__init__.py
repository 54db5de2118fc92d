"""The Python side of the worker protocol (docs/worker-protocol.md): spawner, workers and WSGI (PEP 3333)."""
