"""Reads and writes `stack.json`, which describes a running `witiop dev` to other programs."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

FILE_NAME = "stack.json"


@dataclass
class Stack:
    """Addresses, secrets and process ids of a running stack; None for parts that are missing."""

    webhook_url: str
    kafka_bootstrap: str
    postgres_dsn: str
    whatsapp_app_secret: str
    whatsapp_verify_token: str
    softbot_secret: str
    agents_secret: str
    command_secret: str
    console_url: str | None = None
    console_user: str | None = None
    console_password: str | None = None
    agent_user: str | None = None
    agent_password: str | None = None
    ses_endpoint: str | None = None
    graph_url: str | None = None
    graph_token: str | None = None
    pids: dict[str, list[int]] = field(default_factory=dict)

    @property
    def copies(self) -> int:
        """How many brokers have each record."""
        return 3 if self.kafka_bootstrap.count(",") >= 2 else 1

    def write(self, data: Path) -> None:
        """Writes the file to this data directory and replaces an earlier one."""
        write_private(data / FILE_NAME, asdict(self))

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """Returns the stack of this data directory, None if there is none or it is not ready yet."""
        try:
            found = json.loads((data / FILE_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(**{known.name: found[known.name] for known in fields(cls)})


def write_private(path: Path, document: Mapping[str, object]) -> None:
    """Writes a JSON file that only this user can read. Readers see either the old or the new content."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(document, file, indent=2)
    unfinished.replace(path)
