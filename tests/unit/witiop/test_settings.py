"""Settings have one class, and errors that name the variable without any secret."""

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from witiop.exit_codes import SettingsError
from witiop.settings import SECRETS, Settings, file_variable, load, table, unknown_variables, variable

DOCUMENTED = ROOT / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the variables of the shell that runs the tests."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    for field in SECRETS:
        monkeypatch.delenv(file_variable(field), raising=False)


def _refusal(*needed: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(*needed)
    return str(refused.value).splitlines()


def test_an_environment_without_variables_gives_the_defaults() -> None:
    """Every setting that a process does not need has a default."""
    assert load().kafka_partitions == 6
    assert load().poison_per_minute == 20
    assert load().monitor_host == "127.0.0.1"


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several secrets and brokers in one variable, with or without spaces."""
    monkeypatch.setenv("WITIOP_WHATSAPP_APP_SECRETS", "new, old")
    monkeypatch.setenv("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "one:9092,[::1]:9093")

    settings = load()

    assert [secret.get_secret_value() for secret in settings.whatsapp_app_secrets] == ["new", "old"]
    assert settings.kafka_bootstrap_servers == ("one:9092", "[::1]:9093")


def test_every_missing_value_is_named_with_its_description() -> None:
    """One line each, so that a single start shows all of them."""
    assert _refusal("postgres_dsn", "softbot_secrets") == [
        "WITIOP_POSTGRES_DSN is missing: connection string of the database, e.g. "
        "postgresql://user:password@host:5432/witiop; with a standby both, e.g. "
        "@db-1:5432,db-2:5432/witiop?target_session_attrs=read-write",
        "WITIOP_SOFTBOT_SECRETS is missing: secrets that sign the Softbot's events, comma separated; each of them "
        "verifies signatures",
    ]


def test_an_empty_value_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a container passes on without a value is not set."""
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", "")

    assert len(_refusal("postgres_dsn")) == 1


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("WITIOP_KAFKA_PARTITIONS", "many", "input should be a valid integer"),
        ("WITIOP_KAFKA_PARTITIONS", "0", "greater than or equal to 1"),
        ("WITIOP_WEBHOOK_PORT", "70000", "less than or equal to 65535"),
        ("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "broker", "each server must be written as host:port"),
        ("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:2", "each server must be written as host:port"),
        ("WITIOP_KAFKA_TOPIC_PREFIX", "a b", "string should match pattern"),
        ("WITIOP_KAFKA_SECURITY_PROTOCOL", "TLS", "input should be 'PLAINTEXT', 'SSL'"),
        ("WITIOP_LOG_LEVEL", "loud", "input should be 'debug'"),
        ("WITIOP_WEBHOOK_URL", "localhost", "string should match pattern"),
        ("WITIOP_WEBHOOK_URL", "https://example.com/webhooks/whatsapp", "string should match pattern"),
        ("CRASH_AT", "now!", "string should match pattern"),
    ],
)
def test_an_invalid_value_is_named_with_its_description(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    """The line begins with the variable and ends with its description."""
    monkeypatch.setenv(name, value)

    (line,) = _refusal()

    assert line.startswith(f"{name}: ")
    assert complaint in line.partition("; expected: ")[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WITIOP_SOFTBOT_SECRETS", "hush-hush,,"),
        ("WITIOP_POSTGRES_DSN", "hush-hush"),
        ("WITIOP_POSTGRES_DSN", f"postgresql://me:{'20%hush'}@db/witiop"),
        ("WITIOP_POSTGRES_DSN", f"postgresql://me:{'hush/hush'}@db/witiop"),
        ("WITIOP_POSTGRES_DSN", f"postgresql://me:{'hush@hush'}@db/witiop"),
        ("WITIOP_POSTGRES_DSN", "host=db user=me password=hush hush"),
        ("WITIOP_POSTGRES_DSN", "postgresql://db/witiop?password=hush%zz"),
        ("WITIOP_POSTGRES_DSN", "host=db pasword=hush"),
    ],
)
def test_an_error_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """An error about a secret does not contain its value."""
    monkeypatch.setenv(name, value)

    (line,) = _refusal()

    assert line.startswith(name)
    assert "hush" not in line


def test_an_empty_secret_in_a_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone can compute an HMAC with an empty key."""
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS", "right,")

    assert "anyone could sign with it" in _refusal()[0]


def test_printed_settings_hide_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are logged by mistake reveal nothing."""
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS", "hush")
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", "host=db user=me password=hush")
    monkeypatch.setenv("WITIOP_WHATSAPP_VERIFY_TOKEN", "hush")
    monkeypatch.setenv("WITIOP_KAFKA_SASL_PASSWORD", "hush")

    assert "hush" not in repr(load())


def test_sasl_needs_mechanism_user_name_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """SASL without a password would fail only later, in every client."""
    monkeypatch.setenv("WITIOP_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("WITIOP_KAFKA_SASL_USERNAME", "me")

    assert _refusal() == [
        "WITIOP_KAFKA_SECURITY_PROTOCOL: SASL_SSL also needs WITIOP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
    ]


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("WITIOP_KAFKA_SSL_CA_FILE", "not a file with certificates in PEM"),
        ("WITIOP_KAFKA_SSL_CERT_FILE", "path does not point to a file"),
        ("WITIOP_KAFKA_SSL_KEY_FILE", "path does not point to a file"),
    ],
)
def test_a_file_for_tls_that_is_not_there_is_named(
    name: str, complaint: str, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it looks as if the brokers did not answer."""
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(name, str(file))

    if content is not None and name != "WITIOP_KAFKA_SSL_CA_FILE":
        load()
        return
    with pytest.raises(SettingsError, match=f"^{name}: {complaint}; expected: "):
        load()


def test_given_values_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of a stack win over those of the shell from which it is used."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITIONS", "3")
    monkeypatch.setenv("CRASH_AT", "relay.after-publish-before-mark")

    settings = load(kafka_partitions=12, crash_at=None)

    assert (settings.kafka_partitions, settings.crash_at) == (12, None)


def test_a_misspelt_variable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be ignored silently."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITION", "12")

    assert "WITIOP_KAFKA_PARTITION" in unknown_variables()
    assert "WITIOP_KAFKA_PARTITIONS" not in unknown_variables()


def test_the_documented_table_matches_the_settings() -> None:
    """docs/settings.md has every variable with its default and description."""
    assert table() in DOCUMENTED.read_text()


def test_every_setting_has_a_description() -> None:
    """The table and the errors are made of the descriptions."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
