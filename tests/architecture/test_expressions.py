"""Regular expressions take time that grows with the length of the text only: many of them see texts of strangers, and
the module `re` lets no other thread run meanwhile."""

import ast
import importlib
import re
import time
from collections.abc import Iterator
from itertools import product

import pytest

from tests.architecture.test_modules import MODULES
from tests.support.paths import ROOT

CHARACTERS = 20_000
SECONDS = 0.2
"""Ten times what a linear expression takes for so many characters on a slow machine; a quadratic one takes seconds."""
METHODS = ("search", "match", "fullmatch", "finditer", "findall", "split", "sub")
Use = tuple[str, re.Pattern[str], str]
"""Where an expression is, the expression, and the method that it is used with."""


def _uses() -> Iterator[Use]:
    """Yields the expressions of every module: those it compiles when it is imported, and those in its calls."""
    for file in MODULES:
        source = file.read_text()
        if "import re\n" not in source:
            continue
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for attribute, value in vars(importlib.import_module(name)).items():
            for pattern in value if isinstance(value, tuple) else (value,):
                if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                    methods = set(re.findall(rf"\b{attribute}\.({'|'.join(METHODS)})\b", source)) or {"search"}
                    yield from ((f"{name}.{attribute}", pattern, method) for method in sorted(methods))
        yield from ((f"{name}:{line}", re.compile(text), method) for line, text, method in _calls(source))


def _calls(source: str) -> Iterator[tuple[int, str, str]]:
    for call in ast.walk(ast.parse(source)):
        called = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        if isinstance(call, ast.Call) and called in {f"re.{method}" for method in METHODS}:
            assert isinstance(call.args[0], ast.Constant), f"line {call.lineno}: compile it when imported"
            yield call.lineno, str(call.args[0].value), called.removeprefix("re.")


USES = list(_uses())


def _hostile(pattern: str) -> Iterator[str]:
    """Yields long texts of one or two characters that the expression names, with an end that it does not expect."""
    named = [each for each in "+-._/,:;@#=()[]%<>\"'" if each in pattern]
    for first, second in product(["1", "a", " ", "\n", "é", *named], ["", "1", "a", " "]):
        yield (first + second) * (CHARACTERS // len(first + second)) + "\x00"


@pytest.mark.parametrize(("where", "pattern", "method"), USES, ids=[f"{where}-{how}" for where, _, how in USES])
def test_no_text_keeps_an_expression_busy(where: str, pattern: re.Pattern[str], method: str) -> None:
    """Measured is the time of this thread, in the best of three tries: other programs on the machine do not count."""
    for text in _hostile(pattern.pattern):
        assert any(_seconds(pattern, method, text) < SECONDS for _ in range(3)), f"{where} on {text[:2]!r}..."


def _seconds(pattern: re.Pattern[str], method: str, text: str) -> float:
    use = getattr(pattern, method)
    began = time.thread_time()
    if method == "sub":
        use("", text)
    elif method == "finditer":
        list(use(text))
    else:
        use(text)
    return time.thread_time() - began


def test_every_expression_is_watched() -> None:
    """One that is compiled inside a function would be missed."""
    assert {"domain.mail_body.masking._PHONE", "console.table.spreadsheet._FORMULA"} <= {where for where, _, _ in USES}
    for file in (file for file in MODULES if "re.compile(" in file.read_text()):
        inside = [
            call.lineno
            for function in ast.walk(ast.parse(file.read_text()))
            if isinstance(function, ast.FunctionDef)
            for call in ast.walk(function)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "re.compile"
        ]
        assert not inside, f"{file.relative_to(ROOT)}: lines {inside}"
