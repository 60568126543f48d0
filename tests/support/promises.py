"""A shop that promises its customers' answers: the office, an approved template, and a sender (transfer on reply)."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.handlers.wishes import promise_transfer
from domain.commands import CommandHead, TransferOnReply
from domain.sending.acceptance import SendingPolicy
from domain.topics import Topics
from domain.wishes.wish import wish_id
from infra.postgres import wishes
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.directory import DirectoryCache
from tests.support.office import Office, open_office
from tests.support.sending_room import SendingRoom

PHONE = "16505551234"


TEMPLATE = {"name": "call", "language": "en", "parameters": ["Ada"]}


def add_template(connection: Connection[Any]) -> None:
    """Stores the template, approved, of the only account."""
    components = [{"type": "BODY", "text": "Hello {{1}}, may we call you?"}]
    connection.execute("insert into graph_accounts (account_id) values ('waba')")
    connection.execute(
        "insert into templates values "
        "('waba', 'call', 'en', 'APPROVED', 'UTILITY', 'POSITIONAL', %s, 'f', null, now())",
        [json.dumps(components)],
    )


def promise_all(connection: Connection[Any], topics: Topics, at: datetime) -> None:
    """Promises the answers in all conversations to sales, with templates that Meta accepted at that time."""
    add_template(connection)
    found = connection.execute("select id from conversations").fetchall()
    for conversation in CustomerHistories(connection).read([id_ for (id_,) in found]):
        head = CommandHead(f"promise {conversation.id}", "transfer_on_reply", "test", at, "boss", at)
        command = TransferOnReply.model_validate(
            {
                "conversation_id": conversation.id,
                "template": TEMPLATE,
                "target": {"kind": "skillset", "id": "sales"},
                "mode": "exclusive",
            }
        )
        policy, known = SendingPolicy(enabled=True), DirectoryCache().read(connection)
        refused = promise_transfer(
            connection, topics, head, command, conversation, conversation.customer_id, policy, known, at, at
        )
        assert refused is None, refused
    connection.execute("update sends set state = 'accepted', attempt = 1, claimed_at = requested_at")


class Promises(SendingRoom):
    """The office with an approved template and a sender. A customer wrote yesterday: `closed` is over."""

    def __init__(self, office: Office, dsn: str) -> None:
        super().__init__(office, dsn, hours_ago=30)
        self.closed = self.conversation
        self.customers = 0
        office.set_watermark("0 s")
        office.timer.close_due()
        add_template(office.connection)

    def promise(self, named: str = "p", conversation: UUID | None = None, **more: Any) -> list[tuple[str, str | None]]:
        """Promises the customer's answer to sales and returns the results of the command."""
        data = {
            "conversation_id": str(conversation or self.closed),
            "template": TEMPLATE,
            "target": {"kind": "skillset", "id": "sales"},
            "mode": "exclusive",
            **more,
        }
        return self.office.results_of(self.office.command("transfer_on_reply", data, named=named))

    def promised(self, named: str = "p", **more: Any) -> None:
        """Promises the answer and lets Meta take the template."""
        assert [("applied", None)] == self.promise(named, **more)
        self.post_all()

    def customer_writes(self, text: str = "yes please", hours_ago: float = 0, phone: str = PHONE) -> UUID:
        return self.office.customer_writes(text, phone, hours_ago)

    def wish(self, named: str = "p") -> tuple[str, str | None]:
        """Returns state and end of a wish."""
        found = wishes.find(self.office.connection, wish_id(named))
        assert found is not None
        return found.state, found.ended_because

    def template(self, named: str = "p") -> str:
        """Returns the state of the send of a wish's template."""
        return self.state(named)

    def owner(self, conversation: UUID) -> tuple[Any, ...]:
        (row,) = self.office.rows(
            f"select owner_kind, owner_id, owner_state from conversations where id = '{conversation}'"
        )
        return tuple(row.values())

    def executed(self) -> int:
        """Returns how many conversations were transferred because of a promise."""
        (row,) = self.office.rows("select count(*) from history where event in ('reserved', 'assigned')")
        return int(row["count"])

    def ends_in(self, seconds: float, named: str = "p") -> None:
        self.office.connection.execute(
            "update wishes set ends_at = now() + make_interval(secs => %s) where id = %s", [seconds, wish_id(named)]
        )


@contextmanager
def open_promises(dsn: str) -> Iterator[Promises]:
    """Opens a shop on an empty database."""
    with open_office(dsn) as office:
        shop = Promises(office, dsn)
        with closing(shop.session):
            yield shop
