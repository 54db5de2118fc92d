"""From `module:attribute` to the app it names."""
from __future__ import annotations

import os
import sys

from .control import format_error
from .protocol import EXIT_IMPORT, EXIT_TARGET


class TargetError(Exception):
    """The app could not be loaded: the worker's exit status, a reason for people, perhaps a traceback."""

    def __init__(self, exit_status: int, reason: str, error: BaseException | None = None) -> None:
        super().__init__(reason)
        self.exit_status = exit_status
        self.reason = reason
        self.traceback = "" if error is None else format_error(error)


def load_app(settings: dict) -> object:
    """The callable that `settings["target"]` names, after chdir and pythonpath took effect; else TargetError."""
    target = settings["target"]
    enter_folder(settings.get("chdir"), settings.get("pythonpath") or [])
    module_name, _, expression = target.partition(":")
    path, arguments = parse_expression(target, expression or "application")
    if not module_name:
        raise TargetError(EXIT_TARGET, f"target '{target}' names no module; write 'module:app'")
    app = find_attribute(import_module(target, module_name), module_name, path)
    if arguments is not None:
        app = call_factory(target, app, arguments)
    if not callable(app):
        what = "None" if app is None else f"a {type(app).__name__}, which is not callable"
        raise TargetError(EXIT_TARGET, f"target '{target}' is {what}; name a WSGI application")
    return app


def enter_folder(folder: str | None, pythonpath: list[str]) -> None:
    if folder:
        try:
            os.chdir(folder)
        except OSError as error:
            raise TargetError(EXIT_IMPORT, f"cannot change to folder '{folder}': {error.strerror}") from error
    sys.path[:0] = [os.path.abspath(entry) for entry in pythonpath] + [os.getcwd()]


def parse_expression(target: str, expression: str) -> tuple[list[str], tuple[list, dict] | None]:
    """`a.b` -> (["a", "b"], None); `a.b(1, k=2)` -> (["a", "b"], ([1], {"k": 2})); literals only."""
    path = expression.split(".")
    if all(name.isidentifier() for name in path):
        return path, None
    import ast

    try:
        node = ast.parse(expression.strip(), mode="eval").body
        if isinstance(node, ast.Call):
            arguments = [ast.literal_eval(value) for value in node.args]
            named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
            path = ast.unparse(node.func).split(".")
            if None not in named and all(name.isidentifier() for name in path):
                return path, (arguments, named)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise TargetError(
        EXIT_TARGET,
        f"target '{target}' is not understood; write 'module:name' or 'module:factory(...)' with literal arguments",
    )


def import_module(target: str, name: str) -> object:
    try:
        __import__(name)
        return sys.modules[name]
    except ModuleNotFoundError as error:
        raise TargetError(EXIT_IMPORT, explain_missing(target, name, error), error) from error
    except BaseException as error:  # an app may even leave by SystemExit while it is imported
        raise TargetError(EXIT_IMPORT, f"import of '{name}' failed: {summary(error)}", error) from error


def explain_missing(target: str, name: str, error: ModuleNotFoundError) -> str:
    missing = error.name or ""
    if missing != name and not name.startswith(missing + "."):
        return f"import of '{name}' failed: {summary(error)}"
    if "/" in name or name.endswith(".py"):
        stem = os.path.basename(name[:-3] if name.endswith(".py") else name)
        return f"target '{target}' names a file; write the module instead: '{stem}' or '{stem}:app'"
    return f"no module named '{missing}' in '{os.getcwd()}'; check the target '{target}', chdir and pythonpath"


def find_attribute(module: object, module_name: str, path: list[str]) -> object:
    found, where = module, module_name
    for name in path:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise TargetError(EXIT_TARGET, f"no attribute '{name}' in '{where}'; check the target") from None
        where += ("." if found is not module and ":" in where else ":") + name
    return found


def call_factory(target: str, factory: object, arguments: tuple[list, dict]) -> object:
    if not callable(factory):
        raise TargetError(EXIT_TARGET, f"target '{target}' calls a {type(factory).__name__}, which is not callable")
    try:
        return factory(*arguments[0], **arguments[1])
    except BaseException as error:  # as for the import
        raise TargetError(EXIT_IMPORT, f"factory of target '{target}' failed: {summary(error)}", error) from error


def summary(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
