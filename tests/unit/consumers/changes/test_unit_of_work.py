"""The unit of work before it writes."""

from datetime import timedelta
from typing import Any, cast

from psycopg import Connection

from consumers.changes.unit_of_work import UnitOfWork
from domain.conversations.fold import fold
from domain.conversations.history import CustomerHistory, FoldContext
from domain.conversations.ownership.deadlines import AnswerPolicy
from domain.ids import CustomerId, fact_id
from tests.support.stories import DIRECTORY, NUMBER, FactMaker, at

CUSTOMER = CustomerId(fact_id("customer"))
UNUSED = cast("Connection[Any]", None)


def test_the_clock_leaves_the_configured_time_to_the_first_word() -> None:
    """A conversation that an agent accepted keeps its deadline while another input closes what is over."""
    answer = AnswerPolicy(within=timedelta(minutes=5))
    history = CustomerHistory(CUSTOMER, NUMBER)
    for fact in (FactMaker().turn(0), FactMaker().accepted(0.5)):
        history = fold(history, fact, FoldContext(DIRECTORY, fact.at, answer=answer)).history
    work = UnitOfWork(UNUSED, "topic", {CUSTOMER: history}, DIRECTORY, answer)

    work.expire(CUSTOMER, at(0.51))

    (conversation,) = work.histories[CUSTOMER].conversations
    assert conversation.owner is not None
    assert conversation.owner.until == at(0.5) + timedelta(minutes=5)
