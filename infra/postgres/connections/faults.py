"""Classifies database errors: what an error means for the batch that met it (architecture.md, P4). Every SQLSTATE class
that psycopg knows, and every error without one, is in one of the two tables (docs/decisions/0017)."""

from collections.abc import Mapping
from typing import Literal

import psycopg

Fault = Literal["poison", "slow", "transient", "ours"]

BY_CLASS: Mapping[str, Fault] = {
    "02": "ours",  # no data
    "03": "ours",  # statement not yet complete
    "08": "transient",  # connection
    "09": "ours",  # triggered action
    "0A": "ours",  # feature not supported
    "0B": "ours",  # transaction initiation
    "0F": "ours",  # locator
    "0L": "ours",  # grantor
    "0P": "ours",  # role
    "0Z": "ours",  # diagnostics
    "10": "ours",  # XQuery
    "20": "ours",  # case not found
    "21": "ours",  # cardinality, e.g. one upsert names a row twice
    "22": "poison",  # data
    "23": "poison",  # constraints
    "24": "ours",  # cursor state
    "25": "ours",  # transaction state
    "26": "ours",  # statement name
    "27": "ours",  # triggered data change
    "28": "transient",  # password or role refused: the server's administrator mends it
    "2B": "ours",  # dependent objects
    "2D": "ours",  # transaction termination
    "2F": "ours",  # SQL routine
    "34": "ours",  # cursor name
    "38": "ours",  # external routine
    "39": "ours",  # external routine
    "3B": "ours",  # savepoint
    "3D": "transient",  # no such database: it is being restored
    "3F": "ours",  # no such schema
    "40": "transient",  # deadlock, serialization
    "42": "ours",  # syntax, missing tables and rights
    "44": "ours",  # check option of a view
    "53": "transient",  # disk full, out of memory, too many connections
    "54": "poison",  # a limit of the server, e.g. 2,704 bytes per index row
    "55": "transient",  # lock not available
    "57": "transient",  # shutdown
    "58": "transient",  # errors of the disk
    "72": "transient",  # snapshot too old
    "F0": "transient",  # configuration file of the server
    "HV": "ours",  # foreign data
    "P0": "ours",  # PL/pgSQL
    "XX": "ours",  # internal error, corrupted data
}
"""The meaning of each SQLSTATE class."""

BY_STATE: Mapping[str, Fault] = {
    "25006": "transient",  # read-only transaction: the server is a standby, e.g. one that is about to be promoted
    "25P02": "ours",  # a statement after an error
    "25P03": "slow",  # idle in a transaction for too long: much work, or our process was stopped or got no CPU time
    "25P04": "slow",  # transaction for too long
    "57014": "slow",  # statement for too long
}
"""States that mean something else than their class."""

BY_TYPE: Mapping[type[Exception], Fault] = {
    psycopg.OperationalError: "transient",  # e.g. a lost connection, an exhausted pool
    psycopg.InterfaceError: "transient",  # e.g. a closed connection
    psycopg.DataError: "poison",  # a value that the driver cannot send
    psycopg.IntegrityError: "poison",
    psycopg.InternalError: "ours",
    psycopg.ProgrammingError: "ours",
    psycopg.NotSupportedError: "ours",
    psycopg.DatabaseError: "ours",
    psycopg.Error: "ours",
}
"""The meaning of errors without SQLSTATE, which the driver raises. Subclasses mean the same unless they are listed."""


def fault(error: psycopg.Error) -> Fault:
    """Returns the meaning of an error: `poison` if the data can never be stored; `slow` if it was not stored in time
    and less at once may succeed; `transient` if the same statement may succeed later; `ours` if the program or its
    schema has a defect."""
    state = error.sqlstate
    if state is None:
        return next(BY_TYPE[kind] for kind in type(error).__mro__ if kind in BY_TYPE)
    return BY_STATE.get(state) or BY_CLASS.get(state[:2], "ours")


def database_answers(error: psycopg.Error) -> bool:
    """Returns whether an error that may pass is about the work alone: it was too slow, or waited for a lock or in a
    circle for one. Other work may be done meanwhile."""
    return error.sqlstate is not None and (error.sqlstate == "57014" or error.sqlstate[:2] in ("40", "55"))


def may_pass(error: psycopg.Error) -> bool:
    """Returns whether the same work may succeed later, without a change of the program or of the data."""
    return fault(error) in ("transient", "slow")
