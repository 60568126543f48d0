"""`witiop unmanaged` and `witiop conversations`: lists conversations and shows a single one (interface.md)."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from domain.conversations.reasons import Reason
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # the database driver is slow to import: `--help` does without
    from infra.postgres.lists.cursor import Cursor
    from infra.postgres.lists.desk import DeskState
    from infra.postgres.lists.unmanaged import ListedStatus
    from witiop.installation import Installation

_ROWS = click.IntRange(10, 100)
"""Row numbers that manual fact S6 allows."""


class CursorType(click.ParamType["Cursor"]):
    """Parameter type for the end of the previous page: `next` in its JSON."""

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
    """Conversations that nobody took care of."""


@unmanaged.command("list")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--status", type=click.Choice(["active", "closed", "all", "dismissed"]), default="all", show_default=True)
@click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]), help="Only conversations with this reason."
)
@click.option("--number", metavar="ID", help="Only conversations of this phone number id.")
@click.option("--campaign", type=click.UUID, metavar="ID", help="Only answers to this campaign.")
@click.option("--search", metavar="TEXT", help="Only those with these words in any message, or in name, phone or id.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_(
    installation: "Installation",
    rows: int,
    status: str,
    reason: str | None,
    number: str | None,
    campaign: "UUID | None",
    search: str | None,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List unmanaged conversations.

    Those with the latest customer message are first. With --status dismissed: those that were dismissed instead. With
    --search: as on the page; counts then go up to 101, which means more than 100.
    """
    from domain.contract.row import row_document
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.lists.unmanaged import UnmanagedFilter, page
    from infra.postgres.words.searched_page import searched_page
    from witiop.cli.views.display import show, show_json, terminal_width
    from witiop.cli.views.lists import found_document, list_lines, search_lines

    statuses: dict[str, ListedStatus] = {"active": "active", "closed": "closed", "dismissed": "dismissed"}
    words = tuple(search.replace("\x00", "").split()) if search else ()
    reasoned = Reason(reason) if reason else None
    filter_ = UnmanagedFilter(statuses.get(status), reasoned, number, words, campaign=campaign)
    with connect(installation.postgres_dsn, "cli", autocommit=True, generic_plans=True) as connection:
        searched = searched_page(connection, filter_, rows, after) if words else None
        found = searched.page if searched else page(connection, filter_, rows, after or START)
        now = database_now(connection)
    if as_json:
        document = {"next": found.next and str(found.next), "counts": found.counts}
        if searched is None:
            show_json({"rows": [row_document(row) for row in found.rows], **document})
        else:
            rows_ = [{**row_document(row), "found": found_document(row)} for row in searched.rows]
            show_json({"rows": rows_, **document, "complete": searched.is_complete})
    elif searched is not None:
        show(search_lines(searched, now, terminal_width()))
    else:
        show(list_lines(found, now, terminal_width()))


@click.group()
def conversations() -> None:
    """Conversations and their history."""


class PhoneType(click.ParamType[str]):
    """Parameter type for a phone number with its country code, written in any common way."""

    name = "phone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from domain.phone_numbers import read_phone

        phone = read_phone(str(value))
        if phone is None:
            self.fail("not a phone number: write it with its country code, e.g. +39 333 1234567", param, ctx)
        return phone


@conversations.command("list")
@click.option(
    "--state",
    type=click.Choice(["waiting", "assigned", "managed"]),
    required=True,
    help="waiting: queued or reserved; assigned: offered to an agent, or accepted and not answered yet; "
    "managed: somebody wrote to the customer.",
)
@click.option("--number", metavar="ID", help="Only conversations of this phone number id.")
@click.option(
    "--phone", type=PhoneType(), metavar="P", help="Only conversations of the customer with this phone number."
)
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_by_state(
    installation: "Installation",
    state: "DeskState",
    number: str | None,
    phone: str | None,
    rows: int,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List active conversations by state.

    Those with the latest customer message are first. Unmanaged conversations are in `unmanaged list`.
    """
    from domain.contract.row import row_document
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.lists.desk import DeskFilter, desk_page
    from witiop.cli.views.display import show, show_json, terminal_width
    from witiop.cli.views.lists import desk_lines

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = desk_page(connection, DeskFilter(state, number, phone), rows, after or START)
        now = database_now(connection)
    if as_json:
        show_json({"rows": [row_document(row) for row in found.rows], "next": found.next and str(found.next)})
    else:
        show(desk_lines(found, now, terminal_width()))


@conversations.command("waiting-for-reply")
@click.option("--number", metavar="ID", help="Only conversations of this phone number id.")
@click.option("--user", metavar="U", help="Only conversations that this user has.")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def list_waiting_for_reply(
    installation: "Installation",
    number: str | None,
    user: str | None,
    rows: int,
    after: "Cursor | None",
    as_json: bool,
) -> None:
    """List customers who were answered and wrote again.

    Active conversations whose last message is the customer's although somebody wrote to them before. Those who wait
    longest are first.
    """
    from domain.contract.row import row_document
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.waiting_for_reply import LONGEST, ReplyFilter, waiting_for_reply
    from witiop.cli.views.display import show, show_json, terminal_width
    from witiop.cli.views.lists import waiting_for_reply_lines

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = waiting_for_reply(connection, ReplyFilter(number, user), rows, after or LONGEST)
        now = database_now(connection)
    if as_json:
        show_json({"rows": [row_document(row) for row in found.rows], "next": found.next and str(found.next)})
    else:
        show(waiting_for_reply_lines(found, now, terminal_width()))


@conversations.command("unplaced")
@click.option("--rows", type=_ROWS, default=10, show_default=True, help="Rows per page.")
@click.option("--after", type=CursorType(), metavar="CURSOR", help="Continue where the previous page ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def unplaced(installation: "Installation", rows: int, after: "Cursor | None", as_json: bool) -> None:
    """List facts that wait for a conversation.

    What was reported about customers who have no conversation at that time. The latest are first.
    """
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.cursor import START
    from infra.postgres.lists.waiting_facts import waiting_facts
    from witiop.cli.views.display import show, show_json
    from witiop.cli.views.lists import waiting_fact_lines

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        found = waiting_facts(connection, rows, after or START)
    if as_json:
        show_json({"rows": [fact.document() for fact in found.rows], "next": found.next and str(found.next)})
    else:
        show(waiting_fact_lines(found))


@conversations.command("show")
@click.argument("conversation_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
@click.pass_obj
def show_(installation: "Installation", conversation_id: UUID, as_json: bool) -> None:
    """Show a conversation.

    Prints its transcript, why it is managed or unmanaged, and its history.
    """
    from domain.contract.page import history_document, transcript_document
    from domain.contract.row import row_document
    from infra.postgres.connections.clock import database_now
    from infra.postgres.connections.pool import connect
    from infra.postgres.lists.conversation_page import conversation_page
    from witiop.cli.views.conversation import conversation_lines
    from witiop.cli.views.display import show, show_json, terminal_width

    with connect(installation.postgres_dsn, "cli", autocommit=True) as connection:
        page = conversation_page(connection, conversation_id)
        now = database_now(connection)
    if page is None:
        raise CommandFailed(f"there is no conversation {conversation_id}", "conversation_unknown")
    if as_json:
        conversation = page.conversation
        show_json(
            {
                **row_document(conversation),
                "managed": conversation.managed,
                "transcript": [transcript_document(item) for item in page.transcript],
                "history": [history_document(entry) for entry in page.history],
            }
        )
    else:
        show(conversation_lines(page, now, terminal_width()))
