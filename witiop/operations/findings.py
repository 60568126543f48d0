"""What `witiop doctor` reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: `where` it is, `what` is wrong, and how to `fix` it.

    `unreachable` is true for a server that did not answer.
    """

    where: str
    what: str
    fix: str
    unreachable: bool = False
