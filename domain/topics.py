"""Names of the topics and of the headers on them."""

from dataclasses import dataclass

SOURCE_HEADER = "witiop_source"
"""On the unreadable topic: which reader the raw bytes were for (`whatsapp`, `softbot`, `agents`)."""
REASON_HEADER = "witiop_reason"
"""On the unreadable topic: why, in words that hold no personal data."""


@dataclass(frozen=True, slots=True)
class Topics:
    """`prefix` separates systems that share a broker; empty in production."""

    prefix: str = ""

    @property
    def inbound(self) -> str:
        return f"{self.prefix}witiop.inbound.v1"

    @property
    def unreadable(self) -> str:
        return f"{self.prefix}witiop.inbound.unreadable.v1"

    @property
    def commands(self) -> str:
        return f"{self.prefix}witiop.commands.v1"

    @property
    def results(self) -> str:
        return f"{self.prefix}witiop.command-results.v1"

    @property
    def conversations(self) -> str:
        return f"{self.prefix}witiop.conversations.v1"
