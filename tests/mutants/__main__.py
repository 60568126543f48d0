"""Mutation testing of the rules: changes one operator, number, text or call at a time and runs the unit tests that
execute that line. A mutant that no test notices survives, and is printed with its file, line and diff.

    python -m tests.mutants                          400 mutants, always the same ones
    python -m tests.mutants --all                    all of them
    python -m tests.mutants --sample 50 --seed 7     others
    python -m tests.mutants domain/routing/*.py      of these files only

Prints `killed / sampled` at the end. Exit code 0, also with survivors: some mutants mean the same as the original, and
a person has to tell them from missing tests. Exit code 1: the tests fail without a mutant.

The operators are those of mutmut. Its runner is not used: it mutates only the bodies of functions, and several rules
are constants of a module (the window, the clock skew), and it can neither draw a sample nor stop at the first failure.
Each mutant runs in a fork of this process, which has imported everything but our own modules; the mutated module is
compiled from memory, no file is ever changed.
"""

import argparse
import difflib
import gc
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType

import coverage
import libcst as cst
import pytest
from hypothesis import Phase, settings
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tests.support.paths import ROOT

RULES = ("domain/conversations", "domain/routing")
TESTS = "tests/unit"
SAMPLE = 400
SEED = 20260302
LEAST_SECONDS = 20.0
"""A mutant may loop for ever: its tests are ended after this time, or six times what they take otherwise."""
MAX_MEMORY = 4 * 1024**3
PRELOADED = ("boto3", "flask", "hypothesis.strategies", "jsonschema", "kafka", "psycopg_pool", "pydantic", "rich.table")
"""What takes long to import and is not ours. None of them starts a thread."""

_CALLS_LEFT_ALONE = ("isinstance", "len", "cast")
_PYTEST_OPTIONS = ["-q", "--tb=no", "--assert=plain", "--hypothesis-profile=mutants"] + [
    option
    for plugin in ("anyio", "cacheprovider", "unraisableexception", "warnings")
    for option in ("-p", f"no:{plugin}")
]
_STATEMENTS = (cst.BaseSmallStatement, cst.BaseCompoundStatement)
_FORK = multiprocessing.get_context("fork")


# mutants


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed copy of a module. `lines`: those of the original statement that the change is in."""

    path: str
    line: int
    lines: range
    source: str

    @property
    def module(self) -> str:
        """The module's name, as it is imported."""
        return _module(self.path)

    def diff(self) -> str:
        """What the mutant changes, as a unified diff without context."""
        before = (ROOT / self.path).read_text().splitlines()
        lines = list(difflib.unified_diff(before, self.source.splitlines(), lineterm="", n=0))[2:]
        return "\n".join(line for line in lines if not line.startswith("@@"))


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def rule_files() -> list[str]:
    """The files that hold the rules, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for rule in RULES for path in (ROOT / rule).rglob("*.py"))


class _Mutations(cst.CSTVisitor):
    """Collects what mutmut's operators would change, at module level too. Types are left alone: annotations, literals
    and decorators are not behaviour of a rule."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, int, range]] = []
        self._statements: list[int] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Collects the mutations of a node. Returns whether to look inside."""
        position = self.get_metadata(PositionProvider, node, None)
        if isinstance(node, _STATEMENTS):
            assert position is not None
            self._statements.append(position.start.line)
        if _is_left_alone(node):
            return False
        for kind, mutations in mutation_operators:
            if isinstance(node, kind) and position is not None and self._statements:
                for mutated in mutations(node):
                    lines = range(self._statements[-1], position.end.line + 1)
                    self.found.append((node, mutated, position.start.line, lines))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Ends a statement."""
        if isinstance(original_node, _STATEMENTS):
            self._statements.pop()


def _is_left_alone(node: cst.CSTNode) -> bool:
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom():
            return True
        case cst.Assign(value=cst.Subscript(value=cst.Name("Literal" | "Callable"))):
            return True
        case cst.Call(func=cst.Name(name)):
            return name in _CALLS_LEFT_ALONE
    return False


class Source:
    """A file and what can be changed in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = (ROOT / path).read_text()
        self._wrapper = MetadataWrapper(cst.parse_module(self._text))
        visitor = _Mutations()
        self._wrapper.visit(visitor)
        self._found = visitor.found

    def __len__(self) -> int:
        """How many mutants there may be; some of them do not compile."""
        return len(self._found)

    def mutant(self, number: int) -> Mutant | None:
        """One mutant, from 0; None if it does not compile. Takes about 50 ms."""
        original, mutated, line, lines = self._found[number]
        tree = self._wrapper.module.deep_replace(original, mutated)
        assert isinstance(tree, cst.Module)
        return Mutant(self._path, line, lines, tree.code) if _compiles(tree.code, self._path) else None


def drawn(files: Iterable[str], count: int | None, seed: int) -> list[Mutant]:
    """A sample of the mutants of some files, in the order of their lines; all of them if `count` is None."""
    sources = [Source(file) for file in files]
    places = [(source, number) for source in sources for number in range(len(source))]
    order = list(range(len(places)))
    random.Random(seed).shuffle(order)
    found: dict[int, Mutant] = {}
    for place in order:
        if count is not None and len(found) >= count:
            break
        source, number = places[place]
        mutant = source.mutant(number)
        if mutant is not None and mutant not in found.values():
            found[place] = mutant
    return [found[place] for place in sorted(found)]


def _compiles(source: str, path: str) -> bool:
    try:
        compile(source, path, "exec")
    except SyntaxError:
        return False
    return True


class _Loader(SourceFileLoader):
    """Imports a module from a changed source; tracebacks still name its file."""

    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """The code of the changed source."""
        assert isinstance(self.path, str)
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the mutated module before Python's own finders do."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """The mutated module; None for any other."""
        if fullname != self._mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._mutant.source)
        return spec


# tests


class _Recorder:
    """A pytest plugin: records which lines each test executes, and how long it takes."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """Names the test file that is imported: its constants may call the rules too."""
        self._measured.switch_context(collector.nodeid if isinstance(collector, pytest.Module) else "")
        result = yield
        self._measured.switch_context("")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Names the test whose lines follow."""
        self._measured.switch_context(_function(item.nodeid))
        began = time.monotonic()
        result = yield
        self._measured.switch_context("")
        self.seconds[_function(item.nodeid)] += time.monotonic() - began
        return result


class _Selection:
    """A pytest plugin: only these tests, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._places = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Selects and orders what pytest found."""
        wanted = [item for item in items if _function(item.nodeid) in self._places]
        items[:] = sorted(wanted, key=lambda item: self._places[_function(item.nodeid)])


def _function(node_id: str) -> str:
    """A test without its parameters: a mutant may change their names."""
    return node_id.partition("[")[0]


@dataclass(frozen=True, slots=True)
class Cover:
    """Which tests execute which line of which file, and how long each test takes. A test file instead of a test: all
    its tests; an empty name: the import of the module."""

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that execute a mutant's statement, the quickest first. For a statement that is executed when the
        module is imported, all tests of the test files that execute something of the module, or of any module if it has
        nothing but constants."""
        of_file = self.lines.get(mutant.path, {})
        found = frozenset[str]().union(*(of_file.get(line, ()) for line in mutant.lines))
        if "" in found:
            found = found.union(*of_file.values())
            if found == {""}:
                found = found.union(*(names for lines in self.lines.values() for names in lines.values()))
            found |= {test.partition("::")[0] for test in found}
        tests = [test for test in self.seconds if test in found or test.partition("::")[0] in found]
        return sorted(tests, key=lambda test: (self.seconds[test], test))


def _run_pytest(arguments: Sequence[str], plugin: object) -> int:
    """Runs pytest in this process, without what only explains a failure or slows its start."""
    return pytest.main([*arguments, *_PYTEST_OPTIONS], [plugin])


def _measure(sender: Connection) -> None:
    """Runs all unit tests once and sends a `Cover`, or the exit code of pytest if they fail."""
    measured = coverage.Coverage(data_file=None, source=[str(ROOT / rule) for rule in RULES], config_file=False)
    recorder = _Recorder(measured)
    measured.start()
    for file in rule_files():
        import_module(_module(file))
    code = _run_pytest([TESTS], recorder)
    measured.stop()
    data = measured.get_data()
    lines = {
        str(Path(file).relative_to(ROOT)): {
            line: frozenset(contexts) for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    sender.send(code or Cover(lines, dict(recorder.seconds)))


def measure() -> Cover | int:
    """The tests of each line; the exit code of pytest if tests fail without a mutant."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _start(lambda: _measure(sender), os.devnull)
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = 1
    process.join()
    assert isinstance(found, Cover | int)
    return found


# runs


def _start(work: Callable[[], object], output: str) -> ForkProcess:
    """Starts work in a process group of its own, so that it can be ended with all that it started."""

    def run() -> None:
        os.setsid()
        with open(output, "w") as file:  # noqa: PTH123 - a descriptor, not a path
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work()

    process = _FORK.Process(target=run)
    process.start()
    return process


def _test(mutant: Mutant, tests: Sequence[str]) -> None:
    """Runs tests against a mutant; the exit code is pytest's, or 1 if the module cannot even be imported."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    sys.meta_path.insert(0, _Finder(mutant))
    import_module(mutant.module)
    files = sorted({test.partition("::")[0] for test in tests})
    sys.exit(_run_pytest(["-x", *files], _Selection(tests)))


@dataclass(frozen=True, slots=True)
class _Run:
    mutant: Mutant
    process: ForkProcess
    ends: float


def survivors_of(mutants: Sequence[Mutant], cover: Cover, jobs: int) -> Iterator[tuple[int, Mutant | None]]:
    """Runs the tests of each mutant, `jobs` at a time. Gives, for each that is finished, how many are, and the mutant
    if it survived."""
    waiting = list(reversed(mutants))
    running: dict[int, _Run] = {}
    finished = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            tests = cover.tests_of(mutant)
            if not tests:
                finished += 1
                yield finished, mutant
                continue
            limit = max(LEAST_SECONDS, 6 * sum(cover.seconds[test] for test in tests))
            process = _start(lambda mutant=mutant, tests=tests: _test(mutant, tests), os.devnull)  # type: ignore[misc]
            running[process.sentinel] = _Run(mutant, process, time.monotonic() + limit)
        next_end = min((run.ends for run in running.values()), default=time.monotonic())
        wait(running, max(0.0, next_end - time.monotonic()))
        for sentinel, run in list(running.items()):
            late = time.monotonic() >= run.ends
            if late or run.process.exitcode is not None:
                _end(run.process)
                del running[sentinel]
                finished += 1
                yield finished, run.mutant if run.process.exitcode == 0 and not late else None


def _end(process: ForkProcess) -> None:
    assert process.pid is not None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _print_survivor(mutant: Mutant, tests: int) -> None:
    print(f"\n{mutant.path}:{mutant.line} survived {tests} tests\n{mutant.diff()}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sample that the arguments ask for and prints the score."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("files", nargs="*", help=f"files to mutate; otherwise those of {' and '.join(RULES)}")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many mutants to draw (default %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="which mutants to draw (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: the cores)")
    options = parser.parse_args(arguments)

    files = options.files or rule_files()
    mutants = drawn(files, None if options.all else options.sample, options.seed)
    settings.register_profile(  # the first failing example will do
        "mutants", deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
    )
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # a fork collects only its own garbage
    began = time.monotonic()
    print(f"{len(mutants)} mutants; measuring which tests run which line", flush=True)
    cover = measure()
    if isinstance(cover, int):
        print(f"{TESTS} fails without a mutant; run: pytest {TESTS}")
        return 1
    print(f"{len(cover.seconds)} tests measured in {time.monotonic() - began:.0f} s", flush=True)
    survivors = 0
    for finished, survivor in survivors_of(mutants, cover, options.jobs):
        if survivor is not None:
            survivors += 1
            _print_survivor(survivor, len(cover.tests_of(survivor)))
        if finished % 50 == 0:
            print(f"\n... {finished} of {len(mutants)} after {time.monotonic() - began:.0f} s", flush=True)
    killed = len(mutants) - survivors
    print(f"\n{killed} of {len(mutants)} mutants killed ({killed / max(1, len(mutants)):.1%}), {survivors} survived, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
