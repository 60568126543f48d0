"""Parts that the bodies of several commands have."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints


class CommandPart(BaseModel):
    """Base of command bodies. Unknown keys are rejected: a misspelt `expected_version` must not be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


NonEmptyId = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
"""Without NUL characters, which PostgreSQL cannot store."""

ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$", strip_whitespace=True)
]
"""A name or a reason that people read."""


class Target(CommandPart):
    """The user or skillset to which a conversation is transferred."""

    kind: Literal["user", "skillset"]
    id: NonEmptyId


TransferMode = Literal["immediate", "exclusive"]

DismissedAs = Literal["no_answer_needed", "spam", "duplicate"]
"""Why a conversation is dismissed. Public: new values may be added, none is removed."""
