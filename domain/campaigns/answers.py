"""Answers to a campaign: which turn of a customer answers which recipient's message, and what became of it
(docs/design/campaigns.md, *Answers*)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from domain.conversations.conversation import Conversation
from domain.facts import CustomerTurn
from domain.ids import ConversationId

AnswerProof = Literal["likely", "quote", "button"]
"""How it is known that a turn answers a message: the customer tapped a button of its template, or quoted it; otherwise
it is likely, because it is their first turn after it. The weakest first."""
PROOFS: tuple[AnswerProof, ...] = get_args(AnswerProof)

AnswerOutcome = Literal["waiting", "unmanaged", "human", "resolved"]
"""What became of the conversation in which a customer answered: it waits for somebody, it is on the list of unmanaged
ones, it has reached a human, or it is closed after that."""
OUTCOMES: tuple[AnswerOutcome, ...] = get_args(AnswerOutcome)

_SECOND = timedelta(seconds=1)
"""Resolution of the times of turns."""


@dataclass(frozen=True, slots=True)
class AnswerTerms:
    """The setting for answers. `within`: a turn so long after a message still answers it."""

    within: timedelta = timedelta(hours=72)


class NamedCampaign(NamedTuple):
    """A campaign that was answered."""

    id: UUID
    name: str


class CampaignAnswer(NamedTuple):
    """What a recipient answered. `wave`, `variant`: of the recipient then; `conversation_id`: that the turn opened or
    joined; `at`: of the turn."""

    campaign_id: UUID
    row_no: int
    wave: int
    variant: int
    conversation_id: ConversationId
    at: datetime
    proof: AnswerProof
    outcome: AnswerOutcome


class AskedRecipient(NamedTuple):
    """A recipient whom a customer may answer. `asked_at`: when the last post of the message began; `wamid`: None if
    Meta has not told it yet; `buttons`: the texts of its quick replies; `answer`: what is counted so far;
    `campaign_name` and `answers_to`: of the campaign, the latter None if nobody in particular gets the answers."""

    campaign_id: UUID
    row_no: int
    wave: int
    variant: int
    asked_at: datetime
    wamid: str | None
    buttons: Sequence[str]
    answer: CampaignAnswer | None
    campaign_name: str = ""
    answers_to: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[UUID, int]:
        return self.campaign_id, self.row_no

    @property
    def holds(self) -> timedelta:
        """How long an answer is promised to somebody; zero: it is to nobody."""
        return timedelta(hours=self.answers_to["holds_hours"]) if self.answers_to else timedelta()

    def may_be_answered_by(self, turn: CustomerTurn, terms: AnswerTerms) -> bool:
        """Returns whether a turn comes in time to be an answer: within the setting, or while an answer is promised."""
        return self.asked_at <= turn.at + _SECOND and turn.at <= self.asked_at + max(terms.within, self.holds)


def answered_by(
    turn: CustomerTurn, asked: Sequence[AskedRecipient], terms: AnswerTerms
) -> tuple[AskedRecipient, AnswerProof] | None:
    """Returns whose message a turn answers, and how that is known; None: nobody's. `asked`: all whom the customer may
    answer, also those who have; the turns may come in any order.

    Proof decides. Without proof a turn answers the latest message, unless an earlier turn answered that or, after that,
    another one: then the customer goes on talking."""
    possible = [each for each in asked if each.may_be_answered_by(turn, terms)]
    if not possible:
        return None
    chosen, proof = _chosen(turn, possible)
    if proof == "likely" and any(_was_answered_since(each, chosen, turn) for each in possible):
        return None
    return chosen, proof


def answer_of(
    turn: CustomerTurn, conversation: Conversation, asked: Sequence[AskedRecipient], terms: AnswerTerms
) -> CampaignAnswer | None:
    """Returns the answer that a turn is, as it is to be counted now: the earliest turn with the strongest proof; None:
    it is none, or changes nothing. `asked`: as for `answered_by`."""
    found = answered_by(turn, asked, terms)
    if found is None:
        return None
    chosen, proof = found
    first = CampaignAnswer(*chosen[:4], conversation.id, turn.at, proof, outcome_of(conversation))
    known = chosen.answer
    if known is None:
        return first
    strongest = max(known.proof, proof, key=PROOFS.index)
    merged = (first if turn.at < known.at else known)._replace(proof=strongest)
    return merged if merged != known else None


def outcome_of(conversation: Conversation) -> AnswerOutcome:
    """Returns what became of a conversation in which a customer answered."""
    if conversation.dismissed is not None:
        return "resolved"
    if conversation.status == "closed":
        return "resolved" if conversation.managed else "unmanaged"
    if conversation.managed:
        return "human"
    return "unmanaged" if conversation.unmanaged else "waiting"


def _chosen(turn: CustomerTurn, possible: Sequence[AskedRecipient]) -> tuple[AskedRecipient, AnswerProof]:
    tapped = [each for each in possible if turn.type == "button" and turn.text in each.buttons]
    quoted = next((each for each in possible if each.wamid is not None and each.wamid == turn.quotes), None)
    if quoted is not None:
        return quoted, "button" if quoted in tapped else "quote"
    if tapped := [each for each in tapped if turn.quotes is None or each.wamid is None]:
        return max(tapped, key=_latest), "button"
    return max(possible, key=_latest), "likely"


def _latest(asked: AskedRecipient) -> tuple[datetime, UUID, int]:
    return asked.asked_at, *asked.key


def _was_answered_since(asked: AskedRecipient, chosen: AskedRecipient, turn: CustomerTurn) -> bool:
    """Returns whether an earlier turn answered a message, after the chosen one was posted."""
    answer = asked.answer
    return answer is not None and answer.at <= turn.at and (asked is chosen or answer.at >= chosen.asked_at)
