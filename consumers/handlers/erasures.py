"""Commands that ask for the erasure of a person: they are noted here, and carried out by the process `retention`."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from domain.command_bodies.customers import EraseCustomer
from domain.commands import CommandHead, Rejection
from domain.ids import fact_id
from infra.postgres.retention import erasures
from infra.postgres.retention.people import customers_of


def ask_erasure(connection: Connection[Any], head: CommandHead, body: EraseCustomer, now: datetime) -> Rejection | None:
    """Notes what a command asks for; returns why it is rejected, None: it will be carried out. By phone also people of
    whom nothing is known: there may be facts of them on the topics."""
    if body.customer_id is not None and not customers_of(connection, None, body.customer_id):
        return Rejection.CUSTOMER_UNKNOWN
    erasures.ask(connection, fact_id("erasure", head.id), head.id, head.issuer, now, body.phone, body.customer_id)
    return None
