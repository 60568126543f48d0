"""The base of published data (interface.md, Kafka out and in)."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler


class Growing:
    """Annotation of an enumeration to which values may be added; readers must accept unknown ones."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = [*values]

    def __get_pydantic_json_schema__(self, _: object, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "x-extensible-enum": self._values}


class Published(BaseModel):
    """Base of published data. Readers must ignore properties that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
