"""docker-compose.yml and Dockerfile match the code. These checks need no Docker engine; tests/containers has those that
do."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from infra.postgres.roles import ROLE_PROCESSES
from tests.support.paths import ROOT
from tests.support.servers import KAFKA_IMAGE, POSTGRES_IMAGE
from webhook.app import MAX_BODY_BYTES
from witiop.cli.main import witiop
from witiop.dev.processes import PROCESSES as DEV_PROCESSES
from witiop.dev.processes import SECRETS
from witiop.settings import SECRETS as SECRET_SETTINGS
from witiop.settings import Settings, file_variable, variable
from witiop.wiring.processes import PROCESSES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WITH_FILES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.secrets.yml").read_text())
"""The same services with their secrets in files."""
TOOL = "witiop"
"""The service that runs the command line, which is started by hand."""
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "witiop-unmanaged"}
PROXY = "caddy"
"""The service with TLS, which is started on request."""
REFERENCE = re.compile(r"\$\{(\w+)(:[?-])?")


def _variables(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def _used(service: dict[str, Any]) -> set[tuple[str, str]]:
    """Returns the variables of the host that a service uses, with `:?` if required and `:-` if there is a default."""
    return set(REFERENCE.findall(yaml.safe_dump(service, width=10_000)))


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists(service: str) -> None:
    """A service runs one of our commands, and `run` one of our processes."""
    command, *arguments = OURS[service]["command"]
    assert witiop.get_command(click.Context(witiop), command) is not None
    assert arguments == ([service] if command == "run" else [])


def test_every_process_is_a_service() -> None:
    """docker-compose.yml starts the whole system."""
    assert {name for name, service in OURS.items() if service["command"][0] == "run"} == set(PROCESSES)


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting(service: str) -> None:
    """A misspelt variable would be ignored silently."""
    assert _variables(OURS[service]).keys() - {variable(field) for field in Settings.model_fields} == set()


@cache
def _wiring() -> dict[str, tuple[set[str], set[str]]]:
    """The functions of `witiop/wiring`, each with the variables that it reads and the names that it calls."""
    found = {}
    for file in (ROOT / "witiop" / "wiring").glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                text = ast.unparse(node)
                read = set(re.findall(r"\bsettings\.(\w+)", text)) & set(Settings.model_fields)
                called = set(re.findall(r"\b(?:partial\()?(\w+)[(,]", text))
                found[node.name] = ({variable(field) for field in read}, called - {node.name})
    return found


def _read_by(function: str, seen: set[str]) -> set[str]:
    if function in seen or function not in _wiring():
        return set()
    seen.add(function)
    read, called = _wiring()[function]
    return read.union(*(_read_by(each, seen) for each in called))


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_gets_what_the_others_get_of_the_same_setting(process: str) -> None:
    """The console would tell another limit than the one that counts."""
    some_have = {name for service in OURS.values() for name in _variables(service)}
    read = _read_by(f"run_{process}", set())
    assert read
    # read on the way to something else
    not_used = {"media": {"WITIOP_SENDING_IN_FLIGHT"}, "alarms": {"WITIOP_MAIL_REPLY_TO"}}
    assert read & some_have - _variables(OURS[process]).keys() - not_used.get(process, set()) == set()


def test_doctor_judges_the_set_up_by_the_settings_that_the_page_has() -> None:
    """Otherwise the two would disagree, e.g. on whether people sign in at a provider."""
    read = _read_by("setup_terms", set()) | _read_by("look_at_servers", set())
    assert read & _variables(OURS["console"]).keys() - _variables(SERVICES[TOOL]).keys() == set()


@pytest.mark.parametrize("service", OURS)
def test_settings_that_the_file_does_not_have_can_be_set_for_all(service: str) -> None:
    """The runbook tells people to change some of them, e.g. how long an agent has until the first word."""
    assert OURS[service]["env_file"] == [{"path": "settings.env", "required": False}]


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_gets_the_settings_that_it_needs(process: str) -> None:
    """A process exits at once if one of them is missing."""
    needed = {variable(field) for field in PROCESSES[process].needs}
    assert needed - _variables(OURS[process]).keys() == set()


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_can_change_its_files_or_gain_privileges(service: str) -> None:
    """Not root, read-only except for named directories, without capabilities, and restarted when it dies."""
    found = SERVICES[service]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["user"])
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & found.keys()
    assert found["restart"] in {"unless-stopped", "on-failure"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_permanent_service_has_a_health_check(service: str) -> None:
    """The other services wait for those that exit."""
    check = SERVICES[service]["healthcheck"]
    if service == TOOL:
        assert check == {"disable": True}
        assert ["tools"] == SERVICES[service]["profiles"]
    elif SERVICES[service]["restart"] == "on-failure":
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
def test_the_health_check_uses_the_port_of_the_monitor(process: str) -> None:
    """The check is a small program: it must compile and use the port of the settings."""
    *_, program = OURS[process]["healthcheck"]["test"]
    compile(program, process, "exec")
    assert _variables(OURS[process])["WITIOP_MONITOR_PORT"] in program


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_has_its_own_role_and_no_secret_that_it_does_not_need(process: str) -> None:
    """What a process does not know, nobody learns from it. The webhook, which anybody can reach, has no database."""
    given = _variables(OURS[process])
    dsn = given.get("WITIOP_POSTGRES_DSN", "")
    if process == "webhook":
        assert dsn == ""
    else:
        assert dsn.startswith(f"postgresql://witiop_{process}:${{{process.upper()}_ROLE_PASSWORD:?")
    (program,) = [each for each in DEV_PROCESSES if each.name == process]
    needed = {variable(field) for field in program.secrets}
    assert {name for name in given if name in {variable(each) for each in SECRETS}} == needed


@pytest.mark.parametrize(
    "name", ["sending_enabled", "sending_allowed_to", "whatsapp_access_token", "whatsapp_accounts"]
)
def test_the_command_line_knows_how_the_sender_sends(name: str) -> None:
    """`doctor` and the dry run of transfers on reply judge by these settings."""
    assert _variables(OURS["sender"])[variable(name)] == _variables(SERVICES["witiop"])[variable(name)]


def test_the_roles_get_their_passwords() -> None:
    """`migrate` creates each role with the password that its process uses."""
    given = _variables(SERVICES["migrate"])["WITIOP_ROLE_PASSWORDS"]
    assert [each.strip().split(":")[0] for each in re.split(r",(?! letters)", given)] == list(ROLE_PROCESSES)
    assert all(f"${{{process.upper()}_ROLE_PASSWORD:?" in given for process in ROLE_PROCESSES)


def test_the_file_contains_no_secret() -> None:
    """Secrets come from variables of the host, which are required or, for what may be switched off, empty."""
    secret = re.compile(r"(SECRETS?|PASSWORD|TOKEN|DSN)$")
    references = [
        value for service in SERVICES.values() for name, value in _variables(service).items() if secret.search(name)
    ]
    assert references
    assert [value for value in references if ":?" not in value and not re.fullmatch(r"\$\{\w+:-\}", value)] == []


def test_nothing_optional_is_demanded() -> None:
    """A company without a bot, an agent desktop, mails, files or sending must be able to start."""
    demanded = {name for service in SERVICES.values() for name, how in _used(service) if how == ":?"}
    passwords = {"POSTGRES_PASSWORD", *(f"{process.upper()}_ROLE_PASSWORD" for process in ROLE_PROCESSES)}
    of_the_core = {"WITIOP_WHATSAPP_APP_SECRETS", "WITIOP_WHATSAPP_VERIFY_TOKEN", "WITIOP_COMMAND_SECRETS"}
    assert passwords | of_the_core == demanded
    optional = ("softbot_secrets", "agents_secrets", "ses_sender", "media_bucket", "whatsapp_access_token")
    assert [] == [name for name in optional for process in PROCESSES.values() if name in process.needs]


def test_the_example_has_every_variable_that_is_used() -> None:
    """People copy `.env.example` and fill it in."""
    used = {name for service in SERVICES.values() for name, _ in _used(service)}
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(example) == sorted(used)


def test_only_the_webhooks_and_the_console_can_be_reached_from_outside() -> None:
    """Kafka, PostgreSQL and the monitors are internal; the processes that connect to others are not."""
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"webhook", "console", PROXY}
    assert ["tls"] == SERVICES[PROXY]["profiles"]
    assert ["outside"] == SERVICES[PROXY]["networks"]
    outside = {name for name, service in SERVICES.items() if service["networks"] != ["inside"]}
    assert outside == {*published, "mails", "media", "sender", "alarms", "retention", TOOL}
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_servers_are_those_of_the_tests() -> None:
    """Tests in containers use the same versions."""
    assert f"${{KAFKA_IMAGE:-{KAFKA_IMAGE}}}" == SERVICES["kafka"]["image"]
    assert f"${{POSTGRES_IMAGE:-{POSTGRES_IMAGE}}}" == SERVICES["postgres"]["image"]


def test_a_new_database_sorts_as_in_the_tests() -> None:
    """An update of the image's C library then changes no order, and so breaks no index."""
    assert "--locale-provider=builtin --locale=C.UTF-8" in _variables(SERVICES["postgres"])["POSTGRES_INITDB_ARGS"]


@pytest.mark.parametrize("dockerfile", [ROOT / "Dockerfile", ROOT / "deploy" / "caddy" / "Dockerfile"])
def test_every_image_can_be_named_by_its_digest(dockerfile: Path) -> None:
    """The tags of the Dockerfile are those of docker-compose.yml."""
    (variable_, tag) = re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", dockerfile.read_text(), re.MULTILINE)[0]
    assert {f"${{{variable_}}}"} <= set(re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE))
    built = [service["build"] for service in SERVICES.values() if "build" in service]
    here = [each for each in built if (ROOT / each["context"] / "Dockerfile") == dockerfile]
    assert here
    assert [each["args"] for each in here if each["args"] != {variable_: f"${{{variable_}:-{tag}}}"}] == []


def test_the_proxy_accepts_the_largest_bodies_of_meta() -> None:
    """Meta repeats for days what is refused."""
    (mib,) = re.findall(r"max_size (\d+)MiB", (ROOT / "deploy" / "caddy" / "Caddyfile").read_text())
    assert int(mib) * 1024 * 1024 > MAX_BODY_BYTES


def test_every_network_volume_and_dependency_is_declared() -> None:
    """Services refer only to networks, volumes and services that exist."""
    for service in SERVICES.values():
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= COMPOSE["volumes"].keys()
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_the_image_has_every_package_and_nothing_else() -> None:
    """The Dockerfile copies the contents of the wheel; .dockerignore excludes everything else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }

    assert copied == {*packages, "pyproject.toml", "README.md", "requirements/build.txt", "requirements/run.txt"}
    assert all((ROOT / name).exists() for name in copied)
    included = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert included == {*packages, "pyproject.toml", "README.md", "requirements/*.txt"}


def test_the_image_does_not_run_as_root_and_installs_locked_packages_only() -> None:
    """Every pip install checks hashes or uses no index."""
    assert DOCKERFILE.split("USER ")[1].startswith("10001:10001")
    installs = re.findall(r"pip (?:--python \S+ )?install .*", DOCKERFILE)
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_the_build_uses_the_locked_versions_of_development() -> None:
    """The package is built with the versions it is tested with."""

    def locked(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    built_with, developed_with = locked("build.txt"), locked("dev.txt")
    names = {each.split("==")[0] for each in developed_with}
    assert {each for each in built_with if each.split("==")[0] in names} <= developed_with
    assert any(each.startswith("hatchling==") for each in built_with)


@pytest.mark.parametrize("service", OURS)
def test_every_secret_of_a_service_can_be_in_a_file(service: str) -> None:
    """docker-compose.secrets.yml replaces the variable of each secret by the file that it mounts for it."""
    given = _variables(OURS[service])
    secrets = [field for field in SECRET_SETTINGS if variable(field) in given]
    replaced = WITH_FILES["services"].get(service, {"environment": {}, "secrets": []})
    mounted = {f"/run/secrets/{name}" for name in replaced["secrets"]}
    expected = {variable(field): "" for field in secrets}
    assert expected == {name: value for name, value in replaced["environment"].items() if not name.endswith("_FILE")}
    assert {file_variable(field) for field in secrets} == replaced["environment"].keys() - expected.keys()
    assert mounted == {value for value in replaced["environment"].values() if value}


def test_every_mounted_secret_is_a_file_of_the_host() -> None:
    mounted = {name for service in WITH_FILES["services"].values() for name in service["secrets"]}
    assert {name: {"file": f"secrets/{name}"} for name in mounted} == WITH_FILES["secrets"]
    assert set(WITH_FILES["services"]) <= set(SERVICES)
