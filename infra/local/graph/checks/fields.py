"""Access to the fields of a JSON object, with Meta's errors for what is missing or of a wrong type."""

from collections.abc import Sequence
from typing import Any

from infra.local.graph.checks.refusals import GraphRefusal, missing, wrong


def object_of(parent: dict[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """Returns the object that must be in this field. `path`: of the parent, for the error."""
    value = _present(parent, name, path)
    if not isinstance(value, dict):
        raise wrong(_path(path, name), "must be a JSON object")
    return value


def list_of(parent: dict[str, Any], name: str, path: str = "") -> Sequence[dict[str, Any]]:
    """Returns the array of objects that must be in this field; it has at least one."""
    value = _present(parent, name, path)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise wrong(_path(path, name), "must be an array of JSON objects")
    if not value:
        raise missing(_path(path, name))
    return value


def text_of(parent: dict[str, Any], name: str, path: str = "", *, most: int | None = None) -> str:
    """Returns the text that must be in this field. `most`: its greatest length in characters."""
    value = _present(parent, name, path)
    if not isinstance(value, str):
        raise wrong(_path(path, name), "must be a string")
    if not value.strip():
        raise missing(_path(path, name))
    if most is not None and len(value) > most:
        raise wrong(_path(path, name), f"must be at most {most} characters long")
    return value


def optional_text(parent: dict[str, Any], name: str, path: str = "", *, most: int | None = None) -> str | None:
    """Returns the text in this field, None if there is none."""
    return None if parent.get(name) is None else text_of(parent, name, path, most=most)


def number_of(parent: dict[str, Any], name: str, path: str, least: float, most: float) -> float:
    """Returns the number that must be in this field. Meta also accepts it as a string."""
    value = _present(parent, name, path)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise wrong(_path(path, name), "must be a number") from None
    if isinstance(value, bool) or not least <= number <= most:
        raise wrong(_path(path, name), f"must be between {least:g} and {most:g}")
    return number


def choice_of(parent: dict[str, Any], name: str, path: str, choices: Sequence[str]) -> str:
    """Returns the text that must be in this field and one of these."""
    value = text_of(parent, name, path)
    if value not in choices:
        raise GraphRefusal(
            100, f'Param {_path(path, name)} must be one of {{{", ".join(choices)}}} - got "{value[:32]}".'
        )
    return value


def _present(parent: dict[str, Any], name: str, path: str) -> Any:  # noqa: ANN401 - JSON
    if parent.get(name) is None:
        raise missing(_path(path, name))
    return parent[name]


def _path(path: str, name: str) -> str:
    return f"{path}['{name}']" if path else name
