"""Who looks at a conversation now, or has a dialog about it open, across all processes of the console. Pages say so
every few seconds; what was not repeated is forgotten. Functions raise psycopg errors."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.connections.arrays import column_arrays

FORGOTTEN_AFTER = timedelta(seconds=30)
"""A page that has not said for this long what it shows is gone."""


class Viewing(NamedTuple):
    """What a page shows. `dialog`: the dialog about the conversation that is open; None: none is."""

    conversation_id: UUID
    person: str
    dialog: str | None = None


class OtherViewer(NamedTuple):
    """Somebody else who looks at a conversation. `dialog`: as of `Viewing`."""

    shown_name: str
    dialog: str | None


def tell(conn: Connection[Any], pages: Mapping[UUID, Viewing], gone: Collection[UUID] = ()) -> None:
    """Notes what pages show, and forgets those that are `gone` or silent. All processes that show conversations are
    notified if that changes what people see."""
    with conn.transaction():
        changed = conn.execute(
            "delete from viewers where page = any(%b::uuid[]) or seen_at < now() - %b::interval returning page",
            (list(gone), FORGOTTEN_AFTER),
        ).rowcount
        rows = sorted(((page, *viewing) for page, viewing in pages.items()), key=lambda row: row[0].int)
        if rows:
            new = conn.execute(_TELL, column_arrays(rows)).fetchone()
            changed += new[0] if new else 0
        if changed:
            conn.execute("notify witiop_changed")


def others(conn: Connection[Any], conversation: UUID, person: str) -> list[OtherViewer]:
    """Returns who else looks at a conversation, each once, with the dialog that they have open."""
    found = conn.execute(
        "select coalesce(u.name, i.shown_name, v.person), max(v.dialog) from viewers v "
        "left join sign_ins i on i.name = v.person left join users u on u.id = v.person "
        "where v.conversation_id = %s and v.person <> %s and v.seen_at > now() - %s group by 1 order by 1",
        (conversation, person, FORGOTTEN_AFTER),
    )
    return [OtherViewer(*row) for row in found]


def dialogs_mark(conn: Connection[Any]) -> str:
    """Returns a text that changes whenever anybody opens or closes a dialog about a conversation; empty: none is
    open."""
    found = conn.execute(
        "select coalesce(md5(string_agg(concat_ws(' ', conversation_id, person, dialog), ',' order by page)), '') "
        "from viewers where dialog is not null and seen_at > now() - %s",
        (FORGOTTEN_AFTER,),
    ).fetchone()
    assert found is not None
    return str(found[0])


_TELL: LiteralString = (
    "with told as (select * from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[]) "
    "as t (page, conversation_id, person, dialog)), "
    "new as (select count(*) as n from told t left join viewers v using (page) where v.page is null "
    "or (v.conversation_id, v.dialog) is distinct from (t.conversation_id, t.dialog)), "
    "written as (insert into viewers (page, conversation_id, person, dialog) select * from told order by page "
    "on conflict (page) do update set conversation_id = excluded.conversation_id, person = excluded.person, "
    "dialog = excluded.dialog, seen_at = now()) select n from new"
)
