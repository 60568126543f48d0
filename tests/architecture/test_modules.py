"""What holds for every module: it opens nothing when it is imported, and leaves the environment to the settings."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("webhook", "consumers", "console", "domain", "infra", "witiop")
MODULES = [
    file
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if "alembic" not in file.parts  # run by Alembic with a context, never imported
]

HANDS_ON = {
    "infra/process/metrics.py": "tells prometheus_client where to count",
    "witiop/dev/run.py": "starts our processes with the environment it got, and their settings",
    "witiop/settings.py": "is the one that reads",
}
"""Who touches the environment, and why."""

WATCHED_IMPORT = """
import importlib, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.mkdir"):
        raise AssertionError(f"{event} while importing")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise AssertionError(f"{arguments[0]} opened for writing while importing")

sys.dont_write_bytecode = True
sys.addaudithook(refuse)
before = set(__import__("threading").enumerate())
for module in sys.argv[1:]:
    importlib.import_module(module)
started = [thread.name for thread in set(__import__("threading").enumerate()) - before]
assert not started, f"threads started while importing: {started}"
"""


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_importing_opens_nothing() -> None:
    """No connection, server, process, thread or written file: only a process that was asked to run does that."""
    names = [_name(file) for file in MODULES]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_only_the_settings_read_the_environment(file: Path) -> None:
    """Everything else gets what it needs from its caller, so that tests and the next reader see it."""
    touched = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]
    assert not touched or str(file.relative_to(ROOT)) in HANDS_ON


def test_every_exception_to_the_rule_is_one() -> None:
    """A name that nobody needs any more would let the next one through."""
    assert [name for name in HANDS_ON if "os.environ" not in (ROOT / name).read_text()] == []


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_every_module_and_public_function_says_what_it_promises(file: Path) -> None:
    """A newcomer reads these first."""
    tree = ast.parse(file.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    silent = [node.name for node in functions if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert silent == []
    assert ast.get_docstring(tree) or not tree.body
