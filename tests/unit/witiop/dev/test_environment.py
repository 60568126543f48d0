"""The environment of each program of `witiop dev`: no secret that it does not need."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from infra.postgres.roles import ROLE_PROCESSES
from witiop.dev.environment import environment_of
from witiop.dev.processes import MIGRATE, PROCESSES, SECRETS, SHOP, SIMULATOR, TOPICS, DevProgram
from witiop.dev.stack_file import Stack
from witiop.settings import SECRETS as SECRET_SETTINGS
from witiop.settings import file_variable, variable
from witiop.wiring import processes

STACK = Stack(
    "http://127.0.0.1:1",
    "127.0.0.1:2",
    "postgresql://postgres@/witiop?host=/tmp/x",
    "whatsapp secret",
    "verify token",
    "softbot secret",
    "agents secret",
    "command secret",
    ses_endpoint="http://127.0.0.1:3",
)
PASSWORDS: dict[str, str] = {name: f"password of {name}" for name in ROLE_PROCESSES}
ALL = (MIGRATE, TOPICS, *PROCESSES, SIMULATOR, SHOP)


def name_of(program: DevProgram) -> str:
    return program.name


@pytest.mark.parametrize("program", ALL, ids=name_of)
def test_a_program_gets_its_secrets_and_no_others_not_even_those_of_the_developer(
    program: DevProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(variable(name), "of the developer")
    for name in SECRET_SETTINGS:
        monkeypatch.setenv(file_variable(name), "of the developer")
    given = environment_of(program, STACK, 8400, PASSWORDS)
    assert {variable(name) for name in program.secrets} == given.keys() & {variable(name) for name in SECRETS}
    assert "of the developer" not in given.values()


@pytest.mark.parametrize("program", PROCESSES, ids=name_of)
def test_a_process_gets_every_setting_without_which_it_does_not_start(program: DevProgram) -> None:
    given = environment_of(program, STACK, 8400, PASSWORDS)
    assert {variable(field) for field in processes.PROCESSES[program.name].needs} <= given.keys()


@pytest.mark.parametrize("program", PROCESSES, ids=name_of)
def test_a_process_has_a_database_role_of_its_own_and_the_webhook_none(program: DevProgram) -> None:
    dsn = environment_of(program, STACK, 8400, PASSWORDS).get("WITIOP_POSTGRES_DSN")
    if program.name == "webhook":
        assert dsn is None
    else:
        assert dsn is not None
        assert (f"witiop_{program.name}", f"password of {program.name}") == (
            conninfo_to_dict(dsn)["user"],
            conninfo_to_dict(dsn)["password"],
        )
