"""What the product is made of is written down, and known weaknesses of it are found where there is a network."""

import json
from pathlib import Path

import pytest

from tests.dependencies import audit, bill
from tests.dependencies.audit import Audited

CLEAN = {"dependencies": [{"name": "flask", "version": "3.1.0", "vulns": []}, {"name": "x", "skip_reason": "unknown"}]}
WEAK = {
    "dependencies": [
        {"name": "flask", "version": "3.1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.1"]}]},
        {"name": "babel", "version": "2.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
    ]
}


def audited(answer: Audited) -> tuple[int, list[str]]:
    said: list[str] = []
    return audit.main(lambda: answer, said.append), said


def test_the_bill_of_materials_is_that_of_the_lock_file() -> None:
    """`make lock` writes it."""
    assert 0 == bill.main(["--check"])


def test_the_bill_of_materials_names_packages_and_the_scripts_of_others() -> None:
    found = json.loads(bill.FILE.read_text())
    names = {each["purl"] for each in found["components"]}
    assert any(each.startswith("pkg:pypi/kafka-python@") for each in names)
    assert any(each.startswith("pkg:npm/htmx.org@") for each in names)
    (product,) = [each for each in found["dependencies"] if each["ref"] == bill.PRODUCT]
    assert len(product["dependsOn"]) == len(found["components"])


def test_a_script_without_a_version_in_its_name_is_refused(tmp_path: Path) -> None:
    """Nobody could say what it is."""
    (tmp_path / "thing.min.js").touch()
    (tmp_path / "lock").touch()
    with pytest.raises(ValueError, match=r"thing\.min\.js"):
        list(bill.components(tmp_path / "lock", tmp_path))


def test_a_known_weakness_fails_the_audit_and_says_where_it_is_mended() -> None:
    code, said = audited(Audited(1, json.dumps(WEAK), ""))
    assert (1, ["flask 3.1.0: PYSEC-1; mended in 3.1.1", "babel 2.0: PYSEC-2; not mended yet"]) == (code, said)


def test_an_audit_without_network_is_skipped_and_says_so() -> None:
    code, (line,) = audited(Audited(1, "", "Traceback ...\nConnectionError: no route\n\n"))
    assert (0, "dependency audit SKIPPED: the advisories could not be read (ConnectionError: no route)") == (code, line)


def test_an_audit_that_found_nothing_says_how_many_packages_it_asked_about() -> None:
    assert (0, ["dependency audit: no known weakness in 2 packages"]) == audited(Audited(0, json.dumps(CLEAN), ""))
