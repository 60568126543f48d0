"""The bill of materials (CycloneDX) of the product: docs/sbom.json, made from requirements/run.txt and from the scripts
of others in the console. It is the same on every machine and every day. `python -m tests.dependencies.bill` writes it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tests.support.paths import ROOT

FILE = ROOT / "docs" / "sbom.json"
LOCK = ROOT / "requirements" / "run.txt"
STATIC = ROOT / "console" / "static"
_PINNED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^\s;\\]+)", re.MULTILINE)
_SCRIPT = re.compile(r"([a-z]+)-([0-9.]+)\.min\.js")
_NPM_NAMES = {"htmx": "htmx.org"}
PRODUCT = "witiop-unmanaged"


def bill() -> str:
    """Returns the document as JSON, with one package a line of the diff."""
    found, product = (
        Bom(components=components()),
        Component(name=PRODUCT, type=ComponentType.APPLICATION, bom_ref=PRODUCT),
    )
    found.metadata.component = product
    found.register_dependency(product, found.components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(found).output_as_string())
    for tool in ("timestamp", "tools"):  # would differ from one run to the next
        document["metadata"].pop(tool, None)
    del document["serialNumber"]
    text = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid5(NAMESPACE_URL, text).urn
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def components(lock: Path = LOCK, static: Path = STATIC) -> Iterator[Component]:
    """Yields the locked packages, and the scripts that the console's pages load."""
    for name, version in _PINNED.findall(lock.read_text(encoding="utf-8")):
        yield _library("pypi", name, version)
    for file in sorted(static.glob("*.min.js")):
        named = _SCRIPT.fullmatch(file.name)
        if named is None:
            raise ValueError(f"{file.name}: scripts of others are named NAME-VERSION.min.js")
        yield _library("npm", _NPM_NAMES.get(named[1], named[1]), named[2])


def _library(kind: str, name: str, version: str) -> Component:
    purl = PackageURL(kind, name=name, version=version)
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=purl.to_string())


def main(arguments: list[str]) -> int:
    """Writes the document, or with `--check` compares it. Returns the exit code."""
    if arguments == ["--check"]:
        if FILE.exists() and FILE.read_text(encoding="utf-8") == bill():
            return 0
        print(f"{FILE.relative_to(ROOT)} is not what the lock file says: run python -m tests.dependencies.bill")
        return 1
    FILE.write_text(bill(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
