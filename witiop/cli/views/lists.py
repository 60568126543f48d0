"""Renders lists of conversations for people: one line per row, or two in a narrow terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text

from domain.contract.row import Row, visible_name
from domain.contract.texts import NO_NAME
from domain.times import rfc3339
from infra.postgres.lists.desk import DeskPage
from infra.postgres.lists.unmanaged import ListedConversation, UnmanagedPage
from infra.postgres.lists.waiting_facts import WaitingFactsPage
from infra.postgres.lists.waiting_for_reply import WaitingForReplyPage
from infra.postgres.words.searched_page import SearchedPage
from witiop.cli.views.display import GAP, aligned, cut, duration, harmless, status_cell, utc_minute

_HEAD = ("STATUS", "LEFT", "LAST (UTC)", "REASON", "CUSTOMER", "ID", "LAST TEXT")
_DESK_HEAD = ("STATUS", "LEFT", "LAST (UTC)", "OWNER", "CUSTOMER", "ID", "LAST TEXT")
_REPLY_HEAD = ("STATUS", "LEFT", "LAST (UTC)", "WAITS", "CUSTOMER", "ID", "LAST TEXT")
_CUSTOMER_CELLS = 22
_ID_CELLS = 36
_WIDE = 140
"""Width in cells from which a row fits on one line."""


def list_lines(page: UnmanagedPage, now: datetime, width: int | None) -> list[Text]:
    """Returns the lines of the unmanaged list. LEFT is the time until the window closes.

    `width` is the width of the terminal in cells; with None, for a pipe, nothing is cut.
    """
    cells = [_cells(row, _reason(row), now, width) for row in page.rows]
    lines = _table(_HEAD, cells, width) or [Text("There are no such conversations.")]
    counts = f"{page.counts['active']} active, {page.counts['closed']} closed"
    if dismissed := page.counts["dismissed"]:
        counts += f", {dismissed} dismissed"
    return [*lines, Text(), Text(counts + (f"; next page: --after {page.next}" if page.next else ""), "dim")]


def search_lines(found: SearchedPage, now: datetime, width: int | None) -> list[Text]:
    """Returns the lines of what a search found; as `list_lines`."""
    lines = list_lines(found.page, now, width)
    fresh = found.freshness
    if fresh.searched_until is None:
        lines.append(Text("So far, only names, phones, ids and the last message of each conversation are searched."))
    elif fresh.is_late:
        until = utc_minute(fresh.searched_until)
        lines.append(
            Text(f"Messages up to {until} UTC are searched; of later ones only the last of each conversation.")
        )
    if fresh.searched_until is not None and fresh.complete_since is not None:
        since = utc_minute(fresh.complete_since)
        lines.append(Text(f"Conversations that began before {since} UTC are not searched completely yet."))
    if found.is_cut:
        lines.append(Text("There may be more matches than were found: add a word, a number or a reason."))
    return lines


def found_document(row: ListedConversation) -> dict[str, object] | None:
    """Returns the message that a search found as plain JSON values; None: the row itself shows what was searched."""
    if row.found is None:
        return None
    return {
        "id": str(row.found.id),
        "at": rfc3339(row.found.at),
        "by_customer": row.found.by_customer,
        "text": "".join(piece.text for piece in row.found.pieces),
    }


def desk_lines(page: DeskPage, now: datetime, width: int | None) -> list[Text]:
    """Returns the lines of the list of waiting, assigned or managed conversations; as `list_lines`."""
    lines = _table(_DESK_HEAD, [_cells(row, _owner(row, now), now, width) for row in page.rows], width)
    if page.next:
        lines += [Text(), Text(f"next page: --after {page.next}", "dim")]
    return lines or [Text("There are no such conversations.")]


def waiting_for_reply_lines(page: WaitingForReplyPage, now: datetime, width: int | None) -> list[Text]:
    """Returns the lines of the list *Waiting for a reply*; as `list_lines`."""
    lines = _table(_REPLY_HEAD, [_cells(row, _waits(row, now), now, width) for row in page.rows], width)
    if page.next:
        lines += [Text(), Text(f"next page: --after {page.next}", "dim")]
    return lines or [Text("No customer waits for a reply.")]


def waiting_fact_lines(page: WaitingFactsPage) -> list[Text]:
    """Returns the lines of the list of facts that wait for a conversation."""
    rows = [[Text(title, "bold") for title in ("AT (UTC)", "KIND", "NUMBER", "CUSTOMER", "AGENT")]]
    for fact in page.rows:
        customer = " ".join(part for part in (fact.wa_id, fact.user_id, fact.group_id) if part)
        cells = (utc_minute(fact.at), fact.kind, fact.phone_number_id or "", customer, fact.agent_id or "")
        rows.append([Text(harmless(cell)) for cell in cells])
    if not page.rows:
        return [Text("No facts wait for a conversation.")]
    more = [Text(), Text(f"next page: --after {page.next}", "dim")] if page.next else []
    return [*aligned(rows), *more]


def _table(head: Sequence[str], cells: Sequence[Sequence[Text]], width: int | None) -> list[Text]:
    """Returns the head and the rows, or nothing if there are no rows."""
    rows = [[Text(title, "bold") for title in head], *cells]
    if not cells:
        return []
    if width is None:
        return aligned(rows)
    if width >= _WIDE:
        return [cut(line, width) for line in aligned(rows)]
    return _two_lines_each(rows, width)


def _reason(row: Row) -> str:
    if row.dismissed is not None:
        return f"{row.dismissed.why} ({harmless(row.dismissed.by)})"
    return row.reason.value if row.reason else ""


def _waits(row: Row, now: datetime) -> str:
    waited = duration(now - row.waits_since) if row.waits_since is not None else ""
    return f"{waited}, {row.reason.value if row.reason else _owner(row, now)}"


def _owner(row: Row, now: datetime) -> str:
    owner = row.owner
    if owner is None:
        return "answered from the phone app"
    until = f", {duration(owner.until - now)} left" if owner.until else ""
    if row.parked_until is not None and row.parked_until > now:
        until = f", parked for {duration(row.parked_until - now)}"
    return f"{owner.kind} {harmless(owner.id)} ({owner.state}{until})"


def _cells(row: Row, reason_or_owner: str, now: datetime, width: int | None) -> list[Text]:
    group = row.group_id and f"group {row.group_id}"
    names = (visible_name(row) or group or NO_NAME, row.wa_id or row.user_id)
    customer = Text(" ".join(harmless(name) for name in names if name))
    return [
        status_cell(row.status),
        Text(duration(row.window_ends_at - now) if row.status == "active" else "", _urgency(row, now)),
        Text(utc_minute(row.last_at)),
        Text(reason_or_owner),
        cut(customer, _CUSTOMER_CELLS) if width else customer,
        Text(str(row.id), "dim"),
        Text(_last(row)),
    ]


def _last(row: Row) -> str:
    """Returns the customer's last text; where a search found another message, that one with its time."""
    if isinstance(row, ListedConversation) and row.found is not None:
        return harmless(f"{utc_minute(row.found.at)}: {''.join(piece.text for piece in row.found.pieces)}")
    return harmless(": ".join(part for part in (row.last_speaker, row.last_text) if part and row.last_text))


def _urgency(row: Row, now: datetime) -> str:
    return "bold red" if row.status == "active" and row.window_ends_at - now < timedelta(minutes=30) else ""


def _two_lines_each(rows: Sequence[Sequence[Text]], width: int) -> list[Text]:
    lines = []
    firsts = aligned([row[:-2] for row in rows])
    for first, (*_, id_, text) in zip(firsts, rows, strict=True):
        id_.pad_right(_ID_CELLS - id_.cell_len)
        lines += [cut(first, width), cut(Text.assemble(GAP, id_, GAP, text), width)]
    return lines
