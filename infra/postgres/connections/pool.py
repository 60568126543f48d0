"""How our processes connect: nothing they ask of PostgreSQL can wait for ever, and all of them speak UTC."""

import select
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
LOCK_SECONDS = 10
IDLE_IN_TRANSACTION_SECONDS = 30


def conninfo(dsn: str, name: str, *, statement_seconds: float = STATEMENT_SECONDS, generic_plans: bool = False) -> str:
    """The address with our time-outs; `name` is what the server shows for the connection (application_name).
    `generic_plans`: no statement is planned for the values at hand, as the lists need it."""
    given = conninfo_to_dict(dsn)
    limits = {
        "statement_timeout": statement_seconds,
        "lock_timeout": LOCK_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
    }
    ours = " ".join(f"-c {setting}={int(seconds * 1000)}" for setting, seconds in limits.items())
    if generic_plans:
        ours += " -c plan_cache_mode=force_generic_plan"
    return make_conninfo(
        dsn,
        application_name=f"witiop {name}",
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
        options=f"{given.get('options', '')} -c timezone=UTC {ours}".strip(),
    )


def connect(dsn: str, name: str, *, autocommit: bool = False, generic_plans: bool = False) -> psycopg.Connection[Any]:
    """One connection with our time-outs, for a worker that works on one thing at a time.

    Raises:
        psycopg.OperationalError: no answer within 5 s.
    """
    return psycopg.connect(conninfo(dsn, name, generic_plans=generic_plans), autocommit=autocommit)


def pool(
    dsn: str, name: str, size: int, *, autocommit: bool = False, generic_plans: bool = False
) -> ConnectionPool[psycopg.Connection[Any]]:
    """Up to `size` such connections for threads; closed: open it in the process that uses it, after any fork.

    One that the server closed is not handed out; who gets none within 5 s gets psycopg_pool.PoolTimeout.
    """
    return ConnectionPool(
        conninfo(dsn, name, generic_plans=generic_plans),
        kwargs={"autocommit": autocommit},
        min_size=1,
        max_size=size,
        open=False,
        timeout=CONNECT_SECONDS,
        max_idle=60,
        reconnect_timeout=CONNECT_SECONDS,
        check=_still_there,
        name=name,
    )


def _still_there(connection: psycopg.Connection[Any]) -> None:
    """An idle server says nothing: what there is to read is its farewell. A question would cost every use a round trip,
    and of a network that swallows everything it would tell no more. Raises psycopg.OperationalError."""
    poll = select.poll()  # not select(): the console has more open files than that can tell apart
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        connection.close()  # or it would be put back
        raise psycopg.OperationalError("the server closed the connection")
