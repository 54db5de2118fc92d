"""Libraries that the app imports first thing are imported before the workers are forked: once, and in shared memory.

Only the block of imports with which the target's module begins, in its order, and of that only what does not lie in
the app's own folders: so each worker still loads the app itself, and whatever the module does before its other
imports (a monkey patch, a setting) comes before them as ever.
"""
from __future__ import annotations

import ast
import os
import sys
from importlib.util import find_spec

LIBRARIES = ("site-packages", "dist-packages")


def share_imports(settings: dict) -> bool:
    """Import what can be shared; false when a library has started threads, which a fork would lose."""
    folders = [os.path.abspath(entry) for entry in [*(settings.get("pythonpath") or []), settings.get("chdir") or "."]]
    path = list(sys.path)
    sys.path[:0] = folders
    try:
        for name in leading_imports(find_source(settings["target"].partition(":")[0], folders)):
            if is_own(name, folders):
                break
            __import__(name)
    except BaseException:
        pass  # the worker meets it again, and reports it as the app's
    finally:
        sys.path[:] = path
    return count_threads() <= 1


def find_source(module: str, folders: list[str]) -> str | None:
    relative = module.replace(".", os.sep)
    for folder in folders:
        for name in (f"{relative}.py", os.path.join(relative, "__init__.py")):
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
    return None


def leading_imports(source: str | None) -> list[str]:
    """The modules named by the import statements before any other statement."""
    if source is None:
        return []
    with open(source, "rb") as file:
        tree = ast.parse(file.read())
    names: list[str] = []
    for index, node in enumerate(tree.body):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                break
            names.append(node.module or "")
        elif index or not is_docstring(node):
            break
    return names


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_own(name: str, folders: list[str]) -> bool:
    """Whether the module is part of the app, judged by where its top-level package lies."""
    spec = find_spec(name.partition(".")[0])
    if spec is None:
        return True
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or [])
    return any(
        place.startswith(folder + os.sep) and not any(part in LIBRARIES for part in place.split(os.sep))
        for place in map(os.path.abspath, filter(None, places))
        for folder in folders
    )


def count_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        import threading

        return threading.active_count()
