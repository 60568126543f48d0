"""Unmanaged conversations whose window ends soon: the customers who are lost next."""

from datetime import timedelta
from functools import cache

from psycopg import sql
from psycopg.sql import SQL, Composed

from domain.conversations.reasons import Reason
from infra.postgres.lists.unmanaged import OF_NUMBER

SOON = timedelta(hours=4)
"""A conversation with less time left than this runs out soon."""
MANY = 100
"""The highest count."""


@cache
def count_statement(reason: Reason | None, of_number: bool) -> Composed:
    """Returns the SQL that counts them, with this reason (None: any) and, if `of_number`, with the parameter `number`.
    The window of an active conversation ends a day after the customer's last message, so each branch is a range of a
    list's own index, at most `MANY` rows of it."""
    branches = SQL(" union all ").join(
        _BRANCH.format(
            reason=sql.Literal(each.code),
            number=OF_NUMBER[of_number],
            age=sql.Literal(timedelta(days=1) - SOON),
            most=sql.Literal(MANY),
        )
        for each in ([reason] if reason else Reason)
    )
    return SQL("select least(count(*), {most}) from ({branches}) as soon").format(
        most=sql.Literal(MANY), branches=branches
    )


_BRANCH = SQL(
    "(select 1 from conversations where unmanaged and status = 'a' and reason = {reason} {number} "
    "and last_at < now() - {age} limit {most})"
)
