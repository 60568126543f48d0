"""Locks of customers who are joined while another writer waits for them. Each writer is a session of its own."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain.ids import CustomerId
from infra.postgres.conversations.customers import Customers, Locked
from tests.support.waiting import wait_until

A, B, C, D = (CustomerId(UUID(int=n)) for n in range(1, 5))


class Sessions:
    """Sessions of several writers on one database; `joining` has a transaction that is not committed yet."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        self._dsn = dsn
        self._stack = stack
        self._threads = stack.enter_context(ThreadPoolExecutor(4))
        self._watching = self.open(autocommit=True)
        self._watching.execute("insert into customers (id) select unnest(%s::uuid[])", [[A, B, C, D]])
        self.joining = self.open()

    def open(self, *, autocommit: bool = False) -> Connection[Any]:
        session: Connection[Any] = self._stack.enter_context(psycopg.connect(self._dsn, autocommit=autocommit))
        session.execute("select")
        return session

    def join(self, merged: dict[CustomerId, CustomerId]) -> None:
        customers = Customers(self.joining)
        assert customers.lock({*merged, *merged.values()}).holds({*merged, *merged.values()})
        customers.change_identities([], merged)

    def lock(self, session: Connection[Any], *wanted: CustomerId, commit: bool = False) -> "Future[Locked]":
        """Locks in a thread, and returns when the session waits for another one."""

        def work() -> Locked:
            locked = Customers(session).lock(wanted)
            if commit:
                session.commit()
            return locked

        taken = self._threads.submit(work)
        waits = "select from pg_locks where not granted and pid = %s"
        wait_until(lambda: self._watching.execute(waits, [session.info.backend_pid]).fetchall())
        return taken


@pytest.fixture
def sessions(database: str) -> Iterator[Sessions]:
    with ExitStack() as stack:
        yield Sessions(database, stack)


@pytest.mark.parametrize(
    ("wanted", "joined"),
    [
        pytest.param(B, {B: A}, id="the-one-who-is-joined"),
        pytest.param(A, {B: A}, id="the-one-who-stays"),
        pytest.param(C, {C: A, B: A}, id="one-of-three"),
    ],
)
def test_customers_who_were_joined_meanwhile_are_locked_together(
    sessions: Sessions, wanted: CustomerId, joined: dict[CustomerId, CustomerId]
) -> None:
    sessions.join(joined)
    writer, other = sessions.open(), sessions.open()
    taken = sessions.lock(writer, wanted)
    sessions.joining.commit()
    assert Locked({A: A} | joined) == taken.result()
    free = other.execute("select id from customers for no key update skip locked").fetchall()
    assert {A, B, C, D} - {A, *joined} == {row[0] for row in free}
    other.rollback()
    writer.commit()
    assert Locked({A: A} | joined) == Customers(other).lock_free({wanted})


def test_writers_who_wait_for_either_of_two_customers_that_are_joined_do_not_wait_for_each_other(
    sessions: Sessions,
) -> None:
    sessions.join({B: A})
    taken = [sessions.lock(sessions.open(), wanted, commit=True) for wanted in (B, A)]
    sessions.joining.commit()
    assert [Locked({A: A, B: A})] * 2 == [each.result(timeout=10) for each in taken]


def test_of_joined_customers_nobody_is_free_while_another_writer_has_one_of_them(sessions: Sessions) -> None:
    sessions.join({B: A})
    sessions.joining.commit()
    holder, other = sessions.open(), sessions.open()
    holder.execute("select from customers where id = %s for no key update", [B])
    assert Locked({D: D}) == Customers(other).lock_free({A, D})
