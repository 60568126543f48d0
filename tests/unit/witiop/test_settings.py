"""Settings: one class, named errors, no secret in any of them."""

import pytest

from tests.support.paths import ROOT
from witiop.exit_codes import SettingsError
from witiop.settings import Settings, load, table, unknown_variables, variable

DOCUMENTED = ROOT / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests counts."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def _refusal(*needed: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(*needed)
    return str(refused.value).splitlines()


def test_an_environment_without_variables_gives_the_defaults() -> None:
    """Nothing has to be set that is not needed."""
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


def test_every_missing_value_is_named_with_what_would_be_right() -> None:
    """One line for each, so that one start tells all of them."""
    assert _refusal("postgres_dsn", "softbot_secrets") == [
        "WITIOP_POSTGRES_DSN is missing: the database, as postgresql://user:password@host:5432/witiop",
        "WITIOP_SOFTBOT_SECRETS is missing: secrets that sign the Softbot's events, comma separated",
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
        ("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "broker", "every server is written as host:port"),
        ("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:2", "every server is written as host:port"),
        ("WITIOP_KAFKA_TOPIC_PREFIX", "a b", "string should match pattern"),
        ("WITIOP_KAFKA_SECURITY_PROTOCOL", "TLS", "input should be 'PLAINTEXT', 'SSL'"),
        ("WITIOP_LOG_LEVEL", "loud", "input should be 'debug'"),
        ("WITIOP_WEBHOOK_URL", "localhost", "string should match pattern"),
        ("CRASH_AT", "now!", "string should match pattern"),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    """The line begins with the variable and ends with what it is for."""
    monkeypatch.setenv(name, value)

    (line,) = _refusal()

    assert line.startswith(f"{name}: ")
    assert complaint in line.partition("; right would be: ")[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WITIOP_SOFTBOT_SECRETS", "hush-hush,,"),
        ("WITIOP_POSTGRES_DSN", "hush-hush"),
    ],
)
def test_an_error_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What is wrong with a secret is said without its value."""
    monkeypatch.setenv(name, value)

    (line,) = _refusal()

    assert line.startswith(name)
    assert "hush" not in line


def test_an_empty_secret_in_a_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An HMAC with an empty key is one that everybody can make."""
    monkeypatch.setenv("WITIOP_AGENTS_SECRETS", "right,")

    assert "would verify anybody" in _refusal()[0]


def test_printed_settings_hide_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings object that ends in a log by mistake tells nothing."""
    monkeypatch.setenv("WITIOP_SOFTBOT_SECRETS", "hush")
    monkeypatch.setenv("WITIOP_POSTGRES_DSN", "host=db user=me password=hush")
    monkeypatch.setenv("WITIOP_WHATSAPP_VERIFY_TOKEN", "hush")
    monkeypatch.setenv("WITIOP_KAFKA_SASL_PASSWORD", "hush")

    assert "hush" not in repr(load())


def test_signing_in_at_the_brokers_needs_all_three_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """SASL without a password would fail much later, and at every client."""
    monkeypatch.setenv("WITIOP_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("WITIOP_KAFKA_SASL_USERNAME", "me")

    assert _refusal() == [
        "WITIOP_KAFKA_SECURITY_PROTOCOL: SASL_SSL also needs WITIOP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
    ]


def test_given_values_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack's own addresses win over those of the shell it is asked from."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITIONS", "3")
    monkeypatch.setenv("CRASH_AT", "relay.after-publish-before-mark")

    settings = load(kafka_partitions=12, crash_at=None)

    assert (settings.kafka_partitions, settings.crash_at) == (12, None)


def test_a_misspelt_variable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be ignored without a word."""
    monkeypatch.setenv("WITIOP_KAFKA_PARTITION", "12")

    assert "WITIOP_KAFKA_PARTITION" in unknown_variables()
    assert "WITIOP_KAFKA_PARTITIONS" not in unknown_variables()


def test_the_documented_table_is_that_of_the_settings() -> None:
    """docs/settings.md shows every variable as it is."""
    assert table() in DOCUMENTED.read_text()


def test_every_setting_says_what_it_is_for() -> None:
    """The table and the errors are made of these words."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
