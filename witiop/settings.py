"""All settings of the product. No other module reads the environment.

A variable is named `WITIOP_` plus the field's name in capitals; only `CRASH_AT` has no prefix. The table in
docs/settings.md and the error messages are made of the descriptions here. A setting that only some processes need is
empty by default; those processes pass its name to `load`. Each secret may be in a file instead, which the variable
with `_FILE` at its end names.
"""

import os
from collections.abc import Collection
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from witiop.exit_codes import SettingsError
from witiop.secret_files import SUFFIX, secrets_in_files
from witiop.setting_groups.doors import DoorSettings
from witiop.setting_groups.mails import MailSettings
from witiop.setting_groups.servers import ServerSettings
from witiop.setting_groups.whatsapp import WhatsappSettings
from witiop.setting_groups.work import WorkSettings

PREFIX = "WITIOP_"


class Settings(WorkSettings, DoorSettings, MailSettings, WhatsappSettings, ServerSettings):
    """Configuration of a process. Secrets are masked wherever the settings are printed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        defer_build=False,
    )


def variable(field: str) -> str:
    """Returns the environment variable of a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias or PREFIX + field.upper())


def file_variable(field: str) -> str:
    """Returns the environment variable that names the file of a secret."""
    return variable(field) + SUFFIX


SECRETS = tuple(name for name, field in Settings.model_fields.items() if "SecretStr" in repr(field.annotation))
"""The fields that are secret, each of which may be in a file."""


def load(*needed: str, **overrides: object) -> Settings:
    """Reads the settings from the environment and from the files that it names. `overrides` take precedence.

    Raises:
        SettingsError: a field of `needed` is not set, or a value is invalid. The message names every such variable and
            contains no value.
    """
    named = _from_files()
    files = {name: secret for name, secret in named.items() if secret}
    given = {**files, **overrides}
    try:
        values: dict[str, Any] = {_key(name): value for name, value in given.items()}
        settings = Settings(**values)
    except ValidationError as error:
        found = error.errors(include_input=False)
        raise SettingsError("\n".join(_line(each, files.keys() - overrides.keys()) for each in found)) from None
    missing = [name for name in needed if not _is_set(getattr(settings, name))]
    if missing:
        how = {name: f"{file_variable(name)} is empty" for name in named}
        raise SettingsError(
            "\n".join(
                f"{how.get(name, f'{variable(name)} is missing')}: {Settings.model_fields[name].description}"
                for name in missing
            )
        )
    return settings


def with_files_read_again(settings: Settings) -> Settings:
    """Returns the settings with the secrets that come from files as the files are now; all others stay as they are.

    Raises:
        SettingsError: a file cannot be read, has become empty, or has an invalid value.
    """
    files = _from_files()
    after = load(**{name: getattr(settings, name) for name in settings.model_fields_set if name not in files})
    if lost := [name for name in files if _is_set(getattr(settings, name)) and not _is_set(getattr(after, name))]:
        raise SettingsError("\n".join(f"{file_variable(name)} is empty" for name in lost))
    return after


def is_debugging() -> bool:
    """Returns whether the log level is debug. Works also when other settings are invalid."""
    return os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug"


def unknown_variables() -> list[str]:
    """Returns the variables with our prefix that belong to no setting, most likely misspelt."""
    known = {variable(name) for name in Settings.model_fields} | {file_variable(name) for name in SECRETS}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def table() -> str:
    """Returns the settings as a Markdown table, for docs/settings.md."""
    rows = [
        f"| {_variables(name)} | {f'`{field.default}`' if _is_set(field.default) else ''} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _variables(field: str) -> str:
    return f"`{variable(field)}`" + (f", `{file_variable(field)}`" if field in SECRETS else "")


def _from_files() -> dict[str, str]:
    return secrets_in_files(os.environ, {name: variable(name) for name in SECRETS})


def _key(field: str) -> str:
    """Returns the name by which pydantic accepts and reports a field."""
    return str(Settings.model_fields[field].validation_alias or field) if field in Settings.model_fields else field


def _is_set(value: object) -> bool:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return text not in (None, "", ())


def _line(found: ErrorDetails, in_files: Collection[str]) -> str:
    message = found["msg"].removeprefix("Value error, ")
    if not found["loc"]:
        return message
    field = next((name for name in Settings.model_fields if _key(name) == found["loc"][0]), None)
    if field is None:
        return f"{found['loc'][0]}: no such setting"
    expected = Settings.model_fields[field].description
    name = file_variable(field) if field in in_files else variable(field)
    return f"{name}: {message[:1].lower()}{message[1:]}; expected: {expected}"


if __name__ == "__main__":
    print(table())  # noqa: T201 - for docs/settings.md
