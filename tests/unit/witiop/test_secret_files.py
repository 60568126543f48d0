"""Secrets may be in files, and are as good as those in variables."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.unit.witiop.test_settings import empty_environment
from witiop.exit_codes import SettingsError
from witiop.settings import SECRETS, Settings, file_variable, load, unknown_variables, variable, with_files_read_again

__all__ = ["empty_environment"]


def _refusal() -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load()
    return str(refused.value).splitlines()


def _revealed(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else [_revealed(each) for each in value]  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", SECRETS)
def test_every_secret_can_be_in_a_file(field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"postgres_dsn": "host=db password=hush"}.get(field, "console:hush")
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")
    monkeypatch.setenv(file_variable(field), str(file))

    found = _revealed(getattr(load(field), field))

    assert found in (secret, [secret])
    assert unknown_variables() == []


def test_every_field_that_hides_its_value_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is masked when settings are printed can be in a file."""
    hidden = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
    assert hidden == set(SECRETS)
    assert "kafka_sasl_password" in SECRETS


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_only_the_line_break_at_the_end_does_not_belong_to_the_secret(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_bytes(f" a token \n{end}".encode())
    monkeypatch.setenv("WITIOP_WHATSAPP_VERIFY_TOKEN_FILE", str(file))

    assert load().whatsapp_verify_token.get_secret_value() == (" a token \n" if end else " a token ")


def test_a_file_holds_several_secrets_as_the_variable_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secrets"
    file.write_text("new, old\n")
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS_FILE", str(file))

    assert _revealed(load().softbot_secrets) == ["new", "old"]


def test_a_secret_in_a_variable_and_in_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could say which of them counts, least of all while one is being rotated."""
    file = tmp_path / "secret"
    file.write_text("hush")
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS_FILE", str(file))
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS", "hush too")

    assert _refusal() == ["WITIOP_AGENTS_SECRETS_FILE: WITIOP_AGENTS_SECRETS is set too; set only one of them"]


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may pass on either variable without a value."""
    file = tmp_path / "secret"
    file.write_text("hush")
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS_FILE", str(file))
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS", "")
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS_FILE", "")

    assert _revealed(load().agents_secrets) == ["hush"]
    assert load().softbot_secrets == ()


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_counts_as_not_set(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company without a bot has nothing to write into the file that docker-compose.secrets.yml mounts for it. A
    secret that a process needs is asked for by the name of its file."""
    file = tmp_path / "secret"
    file.write_text(content)
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS_FILE", str(file))

    assert load().softbot_secrets == ()
    with pytest.raises(SettingsError, match=r"^WITIOP_SOFTBOT_SECRETS_FILE is empty: secrets that sign"):
        load("softbot_secrets")


def test_a_file_that_has_become_empty_takes_no_secret_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is empty for a moment while it is being written; then the webhook would refuse everything."""
    file = tmp_path / "secret"
    file.write_text("hush")
    monkeypatch.setenv("WITIOP_WHATSAPP_APP_SECRETS_FILE", str(file))
    before = load()
    file.write_text("")

    with pytest.raises(SettingsError, match=r"^WITIOP_WHATSAPP_APP_SECRETS_FILE is empty$"):
        with_files_read_again(before)


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"hush\xff", "is not UTF-8"), (None, "cannot be read (No such file")]
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    content: bytes | None, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("WITIOP_COMMAND_SECRETS_FILE", str(file))

    (line,) = _refusal()

    assert line.startswith(f"WITIOP_COMMAND_SECRETS_FILE: {file} {complaint}")
    assert "hush" not in line


def test_an_invalid_secret_in_a_file_is_named_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("hush,,")
    monkeypatch.setenv("WITIOP_COMMAND_SECRETS_FILE", str(file))

    (line,) = _refusal()

    assert line.startswith("WITIOP_COMMAND_SECRETS_FILE: a secret is empty")
    assert "hush" not in line


def test_files_read_again_change_their_secrets_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is told to read its files again does not take up other changes by the way."""
    file = tmp_path / "secret"
    file.write_text("old")
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS_FILE", str(file))
    monkeypatch.setenv("WITIOP_WEBHOOK_PORT", "8000")
    before = load()
    file.write_text("new,old")
    monkeypatch.setenv("WITIOP_WEBHOOK_PORT", "9000")

    after = with_files_read_again(before)

    assert _revealed(after.softbot_secrets) == ["new", "old"]
    assert after == before.model_copy(update={"softbot_secrets": after.softbot_secrets})
    assert after.model_fields_set == before.model_fields_set


def test_a_variable_of_a_file_is_no_misspelt_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only secrets have files."""
    monkeypatch.setenv("WITIOP_POSTGRES_DSN_FILE", "somewhere")
    monkeypatch.setenv("WITIOP_CONSOLE_PORT_FILE", "somewhere")

    assert unknown_variables() == ["WITIOP_CONSOLE_PORT_FILE"]
    assert variable("postgres_dsn") == "WITIOP_POSTGRES_DSN"
