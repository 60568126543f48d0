"""Rules for every module: imports open nothing, only the settings read the environment, names are unique."""

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

ENVIRONMENT_USERS = {
    "infra/process/metrics.py": "sets the directory in which prometheus_client counts",
    "witiop/dev/environment.py": "passes its environment and the settings to our processes",
    "witiop/settings.py": "reads the settings",
}
"""Modules that may use the environment, with the reason."""

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
    """An import opens no connection or server, starts no process or thread, and writes no file."""
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
    """Other modules receive values as arguments, which makes dependencies visible to tests and readers."""
    uses = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]
    assert not uses or str(file.relative_to(ROOT)) in ENVIRONMENT_USERS


def test_every_exception_to_the_rule_is_needed() -> None:
    """An outdated exception would allow a new violation."""
    assert [name for name in ENVIRONMENT_USERS if "os.environ" not in (ROOT / name).read_text()] == []


@pytest.mark.parametrize("file", MODULES, ids=_name)
def test_every_module_and_public_function_has_a_docstring(file: Path) -> None:
    """Newcomers read docstrings first."""
    tree = ast.parse(file.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    undocumented = [node.name for node in functions if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert undocumented == []
    assert ast.get_docstring(tree) or not tree.body
