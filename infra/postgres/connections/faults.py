"""What a database error means for a batch (architecture.md, P4)."""

from typing import Literal

import psycopg

_POISON_CLASSES = ("22", "23", "54")  # 54: a limit of the server, as the 2,704 bytes of an index row
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")
_TRANSIENT_STATES = (
    "25006",  # read-only: a standby that was promoted or not yet
    "25P03",  # we stood still in a transaction for too long: stopped, or starved
)

Fault = Literal["poison", "transient", "ours"]


def fault(error: psycopg.Error) -> Fault:
    """`poison`: the data cannot be stored, whoever tries; `transient`: the same again may work (also a lost connection,
    which has no state); `ours`: a defect of the program or of its schema."""
    state = error.sqlstate
    if state is None:
        return "transient" if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else "ours"
    if state.startswith(_POISON_CLASSES):
        return "poison"
    if state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES:
        return "transient"
    return "ours"
