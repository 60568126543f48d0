"""What transfers on reply of many conversations would come to, before anybody asks for them: the checks of the command,
without a lock. Raises psycopg errors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.commands import Rejection, TransferOnReply
from domain.conversations.conversation import Conversation
from domain.directory import Directory
from domain.ids import CustomerId
from domain.sending.acceptance import RefusedSend, SendingPolicy, recipient_of
from domain.sending.pacing import people_left
from domain.wishes.acceptance import accept_wish
from infra.postgres.conversations.histories import CustomerHistories
from infra.postgres.sending import accounts
from infra.postgres.sending.library import StoredLibrary
from infra.postgres.sending.recipients import MEMBERS


class WishPlan(NamedTuple):
    """`able`: the conversations whose customers would get the template, in the order in which they were named;
    `refused`: why each of the others would not; `beyond_limit`: how many templates wait, because Meta's limit of people
    a day is reached, as far as it has told us of one."""

    able: Sequence[UUID]
    refused: Mapping[UUID, RefusedSend]
    beyond_limit: int


def plan_wishes(
    connection: Connection[Any],
    command: TransferOnReply,
    conversations: Sequence[UUID],
    issuer: str,
    policy: SendingPolicy,
    directory: Directory,
    now: datetime,
) -> WishPlan:
    """Returns what `command` would come to for each of the conversations, of a customer once. It does not bind: a
    customer may answer or be promised meanwhile."""
    found: dict[UUID, Conversation] = {each.id: each for each in CustomerHistories(connection).read(conversations)}
    customers = _customers(connection, conversations, now)
    library = StoredLibrary(connection)
    able: dict[UUID, str] = {}
    refused: dict[UUID, RefusedSend] = {}
    promised = {customer.key for customer in customers.values() if customer.is_promised}
    for id_ in dict.fromkeys(conversations):
        conversation = found.get(id_)
        if conversation is None:
            refused[id_] = RefusedSend(Rejection.CONVERSATION_UNKNOWN)
            continue
        customer = customers[id_]
        accepted = accept_wish(
            command,
            str(id_),
            CustomerId(customer.id),
            recipient_of(conversation)._replace(customer_id=customer.id),
            issuer,
            policy,
            library,
            directory,
            now,
            b"",
            is_in_conversation=customer.is_in_conversation,
            is_promised=customer.key in promised,
        )
        if isinstance(accepted, RefusedSend):
            refused[id_] = accepted
        else:
            able[id_] = conversation.phone_number_id
            promised.add(customer.key)
    return WishPlan([*able], refused, _beyond_limit(connection, [*able.values()]))


class _Customer(NamedTuple):
    """The customer of a conversation, after joining, and the number that it is with."""

    id: UUID
    number: str
    is_in_conversation: bool
    is_promised: bool

    @property
    def key(self) -> tuple[UUID, str]:
        """For what there is at most one wish."""
        return self.id, self.number


def _customers(connection: Connection[Any], conversations: Sequence[UUID], now: datetime) -> dict[UUID, _Customer]:
    rows = connection.execute(_CUSTOMERS, {"conversations": list(conversations), "now": now}).fetchall()
    return {row[0]: _Customer(*row[1:]) for row in rows}


_CUSTOMERS: LiteralString = f"""
select c.id, k.root, c.phone_number_id,
  exists (
    select from customers m join conversations a on a.customer_id = m.id
    where {MEMBERS.format("k.root")} and a.phone_number_id = c.phone_number_id and a.status = 'a'
      and a.window_ends_at > %(now)b
  ),
  exists (
    select from wishes w join sends s on s.id = w.send_id
    where w.customer_id = k.root and w.phone_number_id = c.phone_number_id and w.state = 'waiting'
      and w.ends_at > %(now)b and s.state not in ('failed', 'dropped', 'recalled', 'expired')
  )
from conversations c join customers o on o.id = c.customer_id
cross join lateral (select coalesce(o.merged_into, o.id) as root) k
where c.id = any(%(conversations)b)
"""


def _beyond_limit(connection: Connection[Any], numbers: Collection[str]) -> int:
    """Returns for how many of the templates, each from one of these numbers, nobody is left of the limit today."""
    if not numbers:
        return 0
    states = [state for state in accounts.numbers(connection) if state.phone_number_id in numbers]
    left = [people.all for each in states if (people := people_left(each.people_per_day, each.people_reached))]
    return max(0, len(numbers) - min(left)) if left else 0
