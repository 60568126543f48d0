"""Names of Kafka topics and of record headers."""

from dataclasses import dataclass

SOURCE_HEADER = "witiop_source"
"""Header on the unreadable topic: the reader that could not read the raw bytes (`whatsapp`, `softbot`, `agents`)."""
TRACEPARENT_HEADER = "traceparent"
"""Header of W3C Trace Context: the step of a trace that published the record. Only where traces are on."""
REASON_HEADER = "witiop_reason"
"""Header on the unreadable topic: the reason, as a text without personal data."""

FROM_CONSOLE = (SOURCE_HEADER, b"console")
"""Header of what agents did on the console's own page; the same facts come from agent desktops."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of topics and consumer groups. `prefix` separates systems that share a broker; empty in production."""

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

    @property
    def messages(self) -> str:
        return f"{self.prefix}witiop.messages.v1"

    @property
    def campaigns(self) -> str:
        return f"{self.prefix}witiop.campaigns.v1"

    def group(self, process: str) -> str:
        """Returns the consumer group of a process."""
        return f"{self.prefix}witiop.{process}"

    @property
    def all(self) -> tuple[str, ...]:
        return (
            self.inbound,
            self.unreadable,
            self.commands,
            self.results,
            self.conversations,
            self.messages,
            self.campaigns,
        )
