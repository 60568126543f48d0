"""A company on a running stack: its directory, and customers who write to it through Meta's stand-in."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from benchmarks.setup.company import COMPANY
from benchmarks.setup.stories import GREETING, number_id
from domain.commands import SendMessage, Transfer, new_command, signed
from domain.ports import OutgoingRecord
from domain.topics import Topics
from infra.local.graph.control import GraphControl
from infra.postgres import directory
from infra.process.clock import utc_now
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

NUMBER = number_id(6)
"""A number without a menu."""


def control_of(stack: Stack) -> GraphControl:
    """Returns the switches and the ledger of the stack's stand-in."""
    assert stack.graph_url is not None
    return GraphControl(stack.graph_url)


def customers_come(stack: Stack, connection: Connection[Any], many: int) -> Sequence[UUID]:
    """Applies the directory and lets so many customers write to the number. Returns their conversations when all are
    stored."""
    directory.apply(connection, COMPANY)
    control = control_of(stack)
    for place in range(many):
        control.customer_writes(phone_number_id=NUMBER, wa_id=f"39333{place:07}", text=GREETING)
    written = "select id from conversations where phone_number_id = %s order by id"
    wait_until(lambda: len(connection.execute(written, [NUMBER]).fetchall()) == many)
    return [row[0] for row in connection.execute(written, [NUMBER]).fetchall()]


def command(stack: Stack, body: SendMessage | Transfer, issuer: str) -> OutgoingRecord:
    """Returns a signed command of now."""
    now = utc_now()
    made = new_command(
        body, id_=str(uuid4()), source="/bench", issuer=issuer, at=now, expires_at=now + timedelta(minutes=5)
    )
    return signed(made, Topics().commands, stack.command_secret.encode())
