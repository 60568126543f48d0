"""docker-compose.yml and Dockerfile say what the code says. No Docker engine is needed to see that."""

import re
import tomllib
from typing import Any

import click
import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.servers import KAFKA_IMAGE, POSTGRES_IMAGE
from witiop.cli.main import witiop
from witiop.settings import Settings, variable
from witiop.wiring.processes import PROCESSES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
REFERENCE = re.compile(r"\$\{(\w+)(:[?-])?")


def _variables(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def _used(service: dict[str, Any]) -> set[tuple[str, str]]:
    """Variables of the machine that a service uses, each with how: `:?` needed, `:-` with a default."""
    return set(REFERENCE.findall(yaml.safe_dump(service, width=10_000)))


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists(service: str) -> None:
    """A service runs a command of ours, a process one of ours."""
    command, *arguments = OURS[service]["command"]
    assert witiop.get_command(click.Context(witiop), command) is not None
    assert arguments == ([service] if command == "run" else [])


def test_every_process_is_a_service() -> None:
    """What the system is made of, is made here too."""
    assert {name for name, service in OURS.items() if service["command"][0] == "run"} == set(PROCESSES)


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting(service: str) -> None:
    """A misspelt one would be ignored without a word."""
    assert _variables(OURS[service]).keys() - {variable(field) for field in Settings.model_fields} == set()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_gets_the_settings_that_it_needs(process: str) -> None:
    """It would end at once without one of them."""
    needed = {variable(field) for field in PROCESSES[process].needs}
    assert needed - _variables(OURS[process]).keys() == set()


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_can_change_its_files_or_its_rights(service: str) -> None:
    """Not root, read-only but for named places, no capability, and started again when it dies."""
    found = SERVICES[service]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["user"])
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & found.keys()
    assert found["restart"] in {"unless-stopped", "on-failure"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_that_stays_says_how_it_is(service: str) -> None:
    """Those that end are waited for by the others."""
    check = SERVICES[service]["healthcheck"]
    if SERVICES[service]["restart"] == "on-failure":
        assert check == {"disable": True}
        assert {
            dependency["condition"]
            for other in OURS.values()
            for name, dependency in other["depends_on"].items()
            if name == service
        } == {"service_completed_successfully"}
    else:
        assert check["test"][0] == "CMD"


@pytest.mark.parametrize("process", PROCESSES)
def test_health_is_asked_where_the_monitor_answers(process: str) -> None:
    """The check is a small program of its own; it compiles and asks the port of the settings."""
    *_, program = OURS[process]["healthcheck"]["test"]
    compile(program, process, "exec")
    assert _variables(OURS[process])["WITIOP_MONITOR_PORT"] in program


def test_no_secret_is_written_down() -> None:
    """Each comes from the machine's environment, which is asked for it by name."""
    secret = re.compile(r"(SECRETS?|PASSWORD|TOKEN|DSN)$")
    given = [
        value for service in SERVICES.values() for name, value in _variables(service).items() if secret.search(name)
    ]
    assert given
    assert [value for value in given if ":?" not in value] == []


def test_the_example_names_every_variable_that_is_needed() -> None:
    """`.env.example` is what a person fills in."""
    asked = {name for service in SERVICES.values() for name, _ in _used(service)}
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(example) == sorted(asked)


def test_only_the_webhooks_and_the_console_are_reached_from_outside() -> None:
    """Kafka, PostgreSQL and the monitors are inside; the mails go out."""
    reached = {name for name, service in SERVICES.items() if "ports" in service}
    assert reached == {"webhook", "console"}
    outside = {name for name, service in SERVICES.items() if service["networks"] != ["inside"]}
    assert outside == {*reached, "mails"}
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_servers_are_those_of_the_tests() -> None:
    """The same versions as the tests run on in containers."""
    assert (SERVICES["kafka"]["image"], SERVICES["postgres"]["image"]) == (KAFKA_IMAGE, POSTGRES_IMAGE)


def test_every_place_named_in_the_file_is_declared() -> None:
    """Networks, volumes and services that others refer to."""
    for service in SERVICES.values():
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= COMPOSE["volumes"].keys()
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_the_image_holds_every_package_and_nothing_else() -> None:
    """The Dockerfile copies what the wheel is made of; nothing else of the tree reaches the build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }

    assert copied == {*packages, "pyproject.toml", "README.md", "requirements/build.txt", "requirements/run.txt"}
    assert all((ROOT / name).exists() for name in copied)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == {*packages, "pyproject.toml", "README.md", "requirements/*.txt"}


def test_the_image_is_not_root_and_takes_locked_packages_only() -> None:
    """Every installation in it checks hashes or has no network."""
    assert DOCKERFILE.split("USER ")[1].startswith("10001:10001")
    installs = re.findall(r"pip install .*", DOCKERFILE)
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_the_lock_of_the_build_matches_that_of_development() -> None:
    """The package is built with what it is tested with."""

    def locked(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    built_with, developed_with = locked("build.txt"), locked("dev.txt")
    names = {each.split("==")[0] for each in developed_with}
    assert {each for each in built_with if each.split("==")[0] in names} <= developed_with
    assert any(each.startswith("hatchling==") for each in built_with)
