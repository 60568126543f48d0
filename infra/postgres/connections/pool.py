"""Connections to PostgreSQL with the timeouts of the product, so that no statement can wait for ever. Sessions use
UTC."""

import select
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
LOCK_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 30


def conninfo(
    dsn: str,
    name: str,
    *,
    statement_seconds: float = STATEMENT_SECONDS,
    generic_plans: bool = False,
    waits_for_standby: bool = True,
) -> str:
    """Returns the connection string of `dsn` with our timeouts. `name`: shown by the server for the connection
    (application_name); `generic_plans`: statements are never planned for particular values, which the lists need;
    `waits_for_standby`: whether a commit waits for the synchronous standby, if the server has one, for ever if need be
    (docs/decisions/0065)."""
    parsed = conninfo_to_dict(dsn)
    limits = {
        "statement_timeout": statement_seconds,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
    }
    ours = " ".join(f"-c {setting}={int(seconds * 1000)}" for setting, seconds in limits.items())
    if generic_plans:
        ours += " -c plan_cache_mode=force_generic_plan"
    if not waits_for_standby:
        ours += " -c synchronous_commit=local"
    return make_conninfo(
        dsn,
        application_name=f"witiop {name}",
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
        options=f"{parsed.get('options', '')} -c timezone=UTC {ours}".strip(),
    )


def connect(
    dsn: str, name: str, *, autocommit: bool = False, generic_plans: bool = False, waits_for_standby: bool = True
) -> psycopg.Connection[Any]:
    """Opens one connection with our timeouts, for a worker that does one thing at a time. The caller closes it. See
    `conninfo`.

    Raises:
        psycopg.OperationalError: the server refuses, or does not answer within 5 s.
    """
    parsed = conninfo(dsn, name, generic_plans=generic_plans, waits_for_standby=waits_for_standby)
    return psycopg.connect(parsed, autocommit=autocommit)


def pool(
    dsn: str,
    name: str,
    size: int,
    *,
    autocommit: bool = False,
    generic_plans: bool = False,
    waits_for_standby: bool = True,
) -> ConnectionPool[psycopg.Connection[Any]]:
    """Returns a pool of up to `size` such connections for threads. The pool is not open yet: the process that uses it
    opens it, after any fork.

    The pool never hands out a connection that the server has closed, or one to a standby. A caller waits at most 5 s
    for a connection; then the pool raises psycopg_pool.PoolTimeout.
    """
    return ConnectionPool(
        conninfo(dsn, name, generic_plans=generic_plans, waits_for_standby=waits_for_standby),
        kwargs={"autocommit": autocommit},
        min_size=1,
        max_size=size,
        open=False,
        timeout=CONNECT_SECONDS,
        max_idle=60,
        reconnect_timeout=CONNECT_SECONDS,
        check=_check_usable,
        name=name,
    )


def is_standby(connection: psycopg.Connection[Any]) -> bool:
    """Returns whether a connection leads to a standby. Asks nobody: servers report it, also when it changes."""
    return connection.pgconn.parameter_status(b"in_hot_standby") == b"on"


def _check_usable(connection: psycopg.Connection[Any]) -> None:
    """Raises psycopg.OperationalError if the server has closed the connection, or is a standby."""
    # On an idle connection the server sends nothing, so data to read means that it closed it. A query would cost every
    # use a round trip, and would not detect a network that drops all packets any sooner.
    poll = select.poll()  # not select(), which cannot handle as many open files as the console has
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        connection.close()  # an open one would be returned to the pool
        raise psycopg.OperationalError("the server closed the connection")
    if is_standby(connection):  # a new connection may lead to the primary
        connection.close()
        raise psycopg.OperationalError("the server is a standby")
