"""What customers answer to campaigns: judged while facts are folded, under the customers' locks, and written in the
same transaction (docs/design/campaigns.md, *Answers*)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection

from domain.campaigns.answers import (
    AnswerTerms,
    AskedRecipient,
    CampaignAnswer,
    NamedCampaign,
    answer_of,
    answered_by,
)
from domain.campaigns.promised import PromisedAnswer, promised_by
from domain.conversations.conversation import Conversation, Decisions
from domain.conversations.ownership.promises import Promise
from domain.conversations.placement.window import WINDOW
from domain.facts import ConversationFact, CustomerSignal, CustomerTurn, ThreadControlPassed
from domain.ids import ConversationId, CustomerId, fact_id
from infra.postgres.campaigns import answers
from infra.postgres.campaigns.answers import LONGEST, AnswerKey, AskedAbout

ANSWERS = Counter("witiop_campaign_answers", "Answers to campaigns that were counted.", ["proof"])

_SECOND = timedelta(seconds=1)

TransferAnswer = Callable[[PromisedAnswer, Conversation, CustomerTurn], Decisions | None]
"""Returns the decisions about the conversation in which a customer answered; None: it stays as it is."""


class WrittenTurn(NamedTuple):
    """A customer's new turn, and the conversation that it opened or joined, as it is now."""

    customer: CustomerId
    turn: CustomerTurn
    conversation: Conversation


def as_turn(fact: ConversationFact) -> CustomerTurn | None:
    """Returns the turn by which a customer may answer: also a message that WhatsApp did not pass on, or one to Meta's
    own AI; None: the fact is none, like a reaction."""
    if isinstance(fact, CustomerSignal) and (fact.standby_turn or fact.unreadable == "content"):
        return CustomerTurn.model_construct(**{**dict(fact), "kind": "customer_turn"})
    return fact if isinstance(fact, CustomerTurn) else None


class AnswerChanges:
    """The messages of campaigns that locked customers may answer, and what they answer in one transaction. `facts`: new
    ones, with customer and number."""

    def __init__(
        self,
        connection: Connection[Any],
        terms: AnswerTerms,
        facts: Iterable[tuple[CustomerId, str, ConversationFact]],
    ) -> None:
        self._connection = connection
        self._terms = terms
        times: dict[tuple[CustomerId, str], list[datetime]] = {}
        for customer, number, fact in facts:
            if isinstance(fact, ThreadControlPassed) or as_turn(fact) is not None:
                times.setdefault((customer, number), []).append(fact.at)
        longest = max(LONGEST, terms.within)
        writers = [AskedAbout(*of, min(at) - longest, max(at) + _SECOND) for of, at in times.items()]
        self._asked = answers.asked(connection, writers)
        self._judged: set[tuple[UUID, int]] = set()
        self._written: dict[tuple[UUID, int], CampaignAnswer] = {}
        self._moves: dict[AnswerKey, int] = {}

    # answers that are promised to somebody

    @property
    def promised(self) -> list[PromisedAnswer]:
        """To whom answers may go."""
        of = (each for asked in self._asked.values() for each in asked)
        return [promised for each in of if (promised := promised_by(each)) is not None]

    def promise_to(
        self, customer: CustomerId, fact: ConversationFact, now: datetime, judged_at: datetime, transfer: TransferAnswer
    ) -> Promise | None:
        """Returns what a turn of the customer leads to if it answers a campaign; None: nothing was promised, or not any
        more. The first answer uses a promise up. `now`: when the fact reached us; `judged_at`: the time by which
        windows are judged."""
        asked = self._asked.get(customer)
        recipient = self._answered(asked, fact) if asked else None
        if recipient is None or recipient.answer is not None or recipient.key in self._judged:
            return None
        self._judged.add(recipient.key)
        promised = promised_by(recipient)
        if promised is None or now >= promised.ends_at:
            return None

        def decide(conversation: Conversation, turn: CustomerTurn) -> Decisions | None:
            if turn.at > promised.ends_at or turn.at + WINDOW <= judged_at or turn.at + _SECOND < recipient.asked_at:
                return None
            return transfer(promised, conversation, turn)

        return Promise(decide, fact_id("command", promised.command_id), promised.actor)

    def _answered(self, asked: Sequence[AskedRecipient], fact: ConversationFact) -> AskedRecipient | None:
        """Returns whom a fact answers. When Meta's AI hands a customer over, that is the latest message."""
        if isinstance(fact, ThreadControlPassed):
            fact = CustomerTurn.model_construct(at=fact.at, type="", text=None, quotes=None)
        found = answered_by(fact, asked, self._terms) if isinstance(fact, CustomerTurn) else None
        return found[0] if found is not None else None

    # counting

    def count(self, turns: Iterable[WrittenTurn]) -> None:
        """Counts the turns that are answers. Called once, after the last fact of a batch."""
        found = ((customer, turn, conversation) for customer, turn, conversation in turns if customer in self._asked)
        for customer, turn, conversation in sorted(found, key=lambda each: (each[1].at, each[1].id)):
            asked = self._asked[customer]
            after = answer_of(turn, conversation, asked, self._terms)
            if after is None:
                continue
            key = after.campaign_id, after.row_no
            before = next(each.answer for each in asked if each.key == key)
            self._asked[customer] = [each._replace(answer=after) if each.key == key else each for each in asked]
            self._written[key] = after
            self._move(after, 1)
            if before is not None:
                self._move(before, -1)
            else:
                ANSWERS.labels(after.proof).inc()

    def _move(self, answer: CampaignAnswer, n: int) -> None:
        key = AnswerKey.of(answer)
        self._moves[key] = self._moves.get(key, 0) + n

    @property
    def campaigns(self) -> Mapping[ConversationId, Sequence[NamedCampaign]]:
        """Conversation -> campaigns whose answers are written."""
        names = {each.campaign_id: each.campaign_name for asked in self._asked.values() for each in asked}
        found: dict[ConversationId, list[NamedCampaign]] = {}
        for each in sorted(self._written.values(), key=lambda answer: answer.at):
            named = NamedCampaign(each.campaign_id, names[each.campaign_id])
            found.setdefault(each.conversation_id, []).append(named)
        return found

    @property
    def recipients(self) -> set[tuple[UUID, int]]:
        """The recipients that are written."""
        return {*self._written}

    @property
    def moves(self) -> Iterable[tuple[AnswerKey, int]]:
        """How many answers enter and leave what is counted."""
        return self._moves.items()

    def write(self) -> None:
        """Writes all changes but counters. Called once."""
        if self._written:
            answers.write(self._connection, self._written.values())
