"""Unmanaged conversations whose window ends soon, and those whose window ended within a day: the customers who are lost
next, and those who were lost."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from psycopg import sql
from psycopg.sql import SQL, Composed

from domain.conversations.conversation import Status
from domain.conversations.reasons import Reason
from infra.postgres.conversations.columns import STATUS_CODES
from infra.postgres.lists.unmanaged import NAMED, OF_NUMBER, OfNumbers

SOON = timedelta(hours=4)
"""A conversation with less time left than this runs out soon."""
MANY = 100
"""The highest count."""
_DAY = timedelta(days=1)


@cache
def soon_statement(reason: Reason | None, of_numbers: OfNumbers, of_few: bool) -> Composed:
    """Returns the SQL that counts those that run out soon, with this reason (None: any) and these numbers, whose
    parameters are those of `UnmanagedFilter.numbers`; if `of_few`, only answers to a `campaign` or those with a
    `tag`."""
    reasons = [reason] if reason else tuple(Reason)
    return _counted("active", reasons, of_numbers, of_few, _OLDER.format(age=_DAY - SOON))


@cache
def lost_statement(reason: Reason | None, of_numbers: OfNumbers, of_few: bool) -> Composed:
    """Returns the SQL that counts those who could be named until less than a day ago, and nobody did. Whom the bot
    dismissed is not among them: the bot may have named. Parameters as for `soon_statement`."""
    reasons = [each for each in ([reason] if reason else Reason) if each is not Reason.BOT_CLOSED]
    age = SQL(" and ").join([_OLDER.format(age=_DAY), _YOUNGER.format(age=2 * _DAY)])
    return _counted("closed", reasons, of_numbers, of_few, age)


def _counted(status: Status, reasons: Sequence[Reason], of_numbers: OfNumbers, of_few: bool, age: Composed) -> Composed:
    """Counts by the `age` of the customer's last message. The window ends a day after it, so each branch is a range of
    a list's own index, at most `MANY` rows of it. Of a campaign or a tag there are few: all of them are read."""
    branches = [
        _BRANCH.format(
            listed=SQL("named where" if of_few else "conversations where unmanaged and"),
            status=sql.Literal(STATUS_CODES[status]),
            reason=sql.Literal(each.code),
            number=OF_NUMBER[of_numbers],
            age=age,
            most=sql.Literal(MANY),
        )
        for each in reasons
    ]
    return SQL("{answers} select least(count(*), {most}) from ({branches}) as found").format(
        answers=SQL("with named as materialized ({})").format(SQL(NAMED)) if of_few else SQL(""),
        most=sql.Literal(MANY),
        branches=SQL(" union all ").join(branches or [_NONE]),
    )


_BRANCH = SQL("(select 1 from {listed} status = {status} and reason = {reason} {number} and {age} limit {most})")
_OLDER = SQL("last_at < now() - {age}")
_YOUNGER = SQL("last_at > now() - {age}")
_NONE = SQL("select 1 where false").format()
