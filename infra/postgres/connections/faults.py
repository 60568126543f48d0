"""Classifies database errors: what an error means for the batch that met it (architecture.md, P4)."""

from typing import Literal

import psycopg

_POISON_CLASSES = ("22", "23", "54")  # 54: a limit of the server, e.g. 2,704 bytes per index row
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")
_TRANSIENT_STATES = (
    "25006",  # read-only transaction: the server is a standby, e.g. one that is about to be promoted
    "25P03",  # idle in a transaction for too long: our process was stopped, or got no CPU time
)

Fault = Literal["poison", "transient", "ours"]


def fault(error: psycopg.Error) -> Fault:
    """Returns `poison` if the data can never be stored, `transient` if the same statement may succeed later, and `ours`
    if the program or its schema has a defect."""
    state = error.sqlstate
    if state is None:  # e.g. a lost connection
        return "transient" if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else "ours"
    if state.startswith(_POISON_CLASSES):
        return "poison"
    if state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES:
        return "transient"
    return "ours"
