"""Rules for the structure of the code: unique names, documented packages, small folders."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROOTS = ("webhook", "consumers", "console", "domain", "infra", "witiop", "benchmarks")
MODULES_PER_FOLDER = 14


def _modules() -> Iterator[Path]:
    for root in ROOTS:
        yield from sorted((ROOT / root).rglob("*.py"))


def _folders() -> Iterator[Path]:
    yield from sorted({module.parent for module in _modules()})


def _name(folder: Path) -> str:
    return ".".join(folder.relative_to(ROOT).parts)


def _public_types(module: Path) -> Iterator[str]:
    """Yields the public classes and the public type aliases in CamelCase that a module defines at its top level."""
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                continue
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def test_public_types_have_unique_names() -> None:
    """A name that is used once can be found by searching for it, and stands for one thing."""
    modules: defaultdict[str, list[str]] = defaultdict(list)
    for module in _modules():
        for name in _public_types(module):
            modules[name].append(str(module.relative_to(ROOT)))
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_every_package_has_a_docstring() -> None:
    """The docstring says what lives in the package and what does not."""
    packages = [folder / "__init__.py" for folder in _folders() if (folder / "__init__.py").exists()]
    assert [_name(each.parent) for each in packages if not ast.get_docstring(ast.parse(each.read_text()))] == []


@pytest.mark.parametrize("folder", _folders(), ids=_name)
def test_no_folder_has_too_many_modules(folder: Path) -> None:
    """A folder with more modules usually has two subjects. Migrations are a list in time, not a subject."""
    if folder.parts[-2:] == ("alembic", "versions"):
        return
    modules = [module.name for module in folder.glob("*.py") if module.name != "__init__.py"]
    assert len(modules) <= MODULES_PER_FOLDER
