"""Reads secrets from files, as container engines and orchestrators mount them."""

from collections.abc import Mapping
from pathlib import Path

from witiop.exit_codes import SettingsError

SUFFIX = "_FILE"
"""End of the variable that names the file of a secret."""


def secrets_in_files(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Returns field -> secret, of the secrets whose files the environment names; "" of an empty file, which is as good
    as an empty variable. `variables`: field -> variable of every secret. A line break at the end of a file does not
    belong to the secret.

    Raises:
        SettingsError: a file cannot be read, or the secret is also in its variable. The message has one line for each,
            and no secret.
    """
    found, problems = {}, []
    for field, variable in variables.items():
        named = variable + SUFFIX
        if not environment.get(named):
            continue
        if environment.get(variable):
            problems.append(f"{named}: {variable} is set too; set only one of them")
            continue
        secret, problem = _secret_in(environment[named])
        if problem:
            problems.append(f"{named}: {environment[named]} {problem}")
        found[field] = secret
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def _secret_in(path: str) -> tuple[str, str | None]:
    """Returns the secret, and what is wrong with the file."""
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        return "", "is not UTF-8"
    return text.removesuffix("\n").removesuffix("\r"), None
