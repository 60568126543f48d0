"""`witiop unmanaged` and `witiop conversations`: the lists and the page of one conversation (interface.md)."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from domain.conversations.conversation import Status
from domain.conversations.reasons import Reason
from witiop.exits import CommandFailed

if TYPE_CHECKING:  # the database's driver takes its time: `--help` does without
    from infra.postgres.lists.cursor import Cursor
    from infra.postgres.lists.desk import DeskState
    from witiop.installation import Installation

_ROWS = click.IntRange(10, 100)
"""The bar of manual fact S6."""


class CursorType(click.ParamType["Cursor"]):
    """Where the page before ended, as `next` in its JSON."""

    name = "cursor"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> "Cursor":
        from infra.postgres.lists.cursor import Cursor, CursorError

        if isinstance(value, Cursor):
            return value
        try:
            return Cursor.parse(str(value))
        except CursorError as error:
            self.fail(str(error), param, ctx)


@click.group()
def unmanaged() -> None:
    """Customers nobody took care of."""


@unmanaged.command("list")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows of the page.")
@click.option("--status", type=click.Choice(["active", "closed", "all"]), default="all", show_default=True)
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only those of this reason.")
@click.option("--number", metavar="ID", help="Only those of this phone number id.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Go on where another page ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation",
    rows: int,
    status: str,
    reason: str | None,
    number: str | None,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List unmanaged conversations, the one with the customer's latest message first."""
    from domain.contract.row import row_document
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.lists.unmanaged import UnmanagedFilter, page
    from witiop.cli.views.display import show, show_json, terminal_width
    from witiop.cli.views.lists import list_lines

    statuses: dict[str, Status] = {"active": "active", "closed": "closed"}
    which = UnmanagedFilter(statuses.get(status), Reason(reason) if reason else None, number)
    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = page(connection, which, rows, after or START)
    if as_json:
        listed = [row_document(each) for each in found.rows]
        show_json({"rows": listed, "next": found.next and str(found.next), "counts": found.counts})
    else:
        show(list_lines(found, datetime.now(UTC), terminal_width()))


@click.group()
def conversations() -> None:
    """What a customer and a number exchanged, and what happened to it."""


class PhoneType(click.ParamType[str]):
    """A phone with its country's code, written as people write them."""

    name = "phone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        digits = re.sub(r"[-+ ()./]", "", str(value))
        if not re.fullmatch(r"[0-9]{5,20}", digits):
            self.fail("not a phone number: write it with its country's code, as +39 333 1234567", param, ctx)
        return digits


@conversations.command("list")
@click.option(
    "--state",
    type=click.Choice(["waiting", "assigned", "managed"]),
    required=True,
    help="In a queue or reserved; offered to an agent; taken care of.",
)
@click.option("--number", metavar="ID", help="Only those of this phone number id.")
@click.option("--phone", type=PhoneType(), metavar="P", help="Only those of the customer with this phone.")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows of the page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Go on where another page ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def desk_(
    installation: "Installation",
    state: "DeskState",
    number: str | None,
    phone: str | None,
    rows: int,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List active conversations that are not unmanaged, the one with the customer's latest message first."""
    from domain.contract.row import row_document
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.lists.desk import DeskFilter, desk_page
    from witiop.cli.views.display import show, show_json, terminal_width
    from witiop.cli.views.lists import desk_lines

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = desk_page(connection, DeskFilter(state, number, phone), rows, after or START)
    if as_json:
        show_json({"rows": [row_document(each) for each in found.rows], "next": found.next and str(found.next)})
    else:
        show(desk_lines(found, datetime.now(UTC), terminal_width()))


@conversations.command("show")
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", conversation_id: UUID, as_json: bool) -> None:
    """Show a whole conversation: every entry, why it is (un)managed, what happened to it."""
    from domain.contract.page import history_document, transcript_document
    from domain.contract.row import row_document
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.conversation_page import conversation_page
    from witiop.cli.views.conversation import conversation_lines
    from witiop.cli.views.display import show, show_json, terminal_width

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        page = conversation_page(connection, conversation_id)
    if page is None:
        raise CommandFailed(f"there is no conversation {conversation_id}", "conversation_unknown")
    if as_json:
        of = page.conversation
        show_json(
            {
                **row_document(of),
                "managed": of.managed,
                "transcript": [transcript_document(item) for item in page.transcript],
                "history": [history_document(entry) for entry in page.history],
            }
        )
    else:
        show(conversation_lines(page, datetime.now(UTC), terminal_width()))
