"""Commands about customers who want no messages (docs/design/campaigns.md, *Opt-outs*): all of a command or nothing."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg import Connection

from consumers.changes.opt_outs import OptOutChanges
from domain.command_bodies.campaigns import OptIn, OptOut
from domain.commands import CommandHead, Rejection
from domain.directory import Directory
from domain.facts import Party
from domain.ids import fact_id
from domain.opt_outs.opt_out import ALL_NUMBERS, OptOutChange, read_customer
from domain.sending.acceptance import RefusedSend
from infra.postgres.opt_outs.in_force import AskedAddress, in_force
from infra.postgres.sending.accounts import known_numbers

_MOST_NAMED = 5
"""Customers whom a rejection names."""


def business_numbers(connection: Connection[Any], directory: Directory) -> frozenset[str]:
    """Returns all business numbers that the directory or Meta has named."""
    return frozenset(directory.numbers) | known_numbers(connection)


def change_by_command(
    changes: OptOutChanges,
    connection: Connection[Any],
    head: CommandHead,
    body: OptOut | OptIn,
    numbers: Collection[str],
    now: datetime,
) -> RefusedSend | None:
    """Adds what a command changes to `changes`; returns why it is rejected, None: it is applied. `numbers`: all
    business numbers; `now`: later than that of the command before."""
    if body.phone_number_id is not None and body.phone_number_id not in numbers:
        return RefusedSend(
            Rejection.NUMBER_UNKNOWN, f"phone_number_id: nobody has told anything of {body.phone_number_id}"
        )
    customers = {written: read_customer(written) for written in body.customers}
    wrong = [written for written, customer in customers.items() if customer is None]
    if wrong:
        shown = f"{_named(wrong)}; write phones with their country code, e.g. +39 333 1234567, or user ids"
        return RefusedSend(Rejection.MALFORMED, f"customers: neither phones nor user ids: {shown}")
    made = [
        _change(head, body, customer, now) for customer in dict.fromkeys(customers.values()) if customer is not None
    ]
    if isinstance(body, OptIn) and not any(changes.concerned(made).values()):
        asked = [AskedAddress(key) for change in made for key in changes.keys(change)]
        if any(in_force(connection, asked)):  # what is left is Meta's
            return RefusedSend(
                Rejection.OPTED_OUT,
                "customers: they stopped marketing in WhatsApp itself, and only they can allow it there again",
            )
    changes.add(made)
    return None


def _change(head: CommandHead, body: OptOut | OptIn, customer: Party, now: datetime) -> OptOutChange:
    """Returns what a command changes for one of its customers."""
    return OptOutChange(
        body.phone_number_id or ALL_NUMBERS,
        customer,
        isinstance(body, OptOut),
        body.scope if isinstance(body, OptOut) else "all",
        "admin",
        now,
        fact_id("command", head.id),
        head.issuer,
        body.evidence,
    )


def _named(customers: list[str]) -> str:
    shown = ", ".join(repr(customer[:40]) for customer in customers[:_MOST_NAMED])
    more = len(customers) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
