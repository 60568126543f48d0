"""The list is rendered for pipes and for terminals of several widths."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.conversations.conversation import Conversation, Evidence, FactRef
from domain.conversations.reasons import Reason
from domain.ids import ConversationId, CustomerId, fact_id
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.unmanaged import UnmanagedPage
from witiop.cli.views.lists import list_lines

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
LONG = "I placed an order three weeks ago and it never came, " * 9


def listed(n: int, text: str, closed: bool = False) -> Conversation:
    mark = FactRef(NOON, 0, fact_id("turn"))
    return Conversation(
        id=ConversationId(UUID(int=n)),
        customer_id=CustomerId(UUID(int=n)),
        phone_number_id="106",
        opened_at=NOON,
        window_ends_at=NOON + timedelta(days=1),
        wa_id="393331234567",
        status="closed" if closed else "active",
        reason=Reason.NUMBER_HAS_NO_MENU,
        evidence=Evidence(last_turn=mark, last_text=(mark, text), named=(mark, "Anna-Maria Rossi")),
    )


PAGE = UnmanagedPage(
    [listed(1, "Hello\nthere"), listed(2, LONG, closed=True)],
    Cursor(NOON, UUID(int=2)),
    {"active": 7, "closed": 1, "dismissed": 0},
)


def lines(page: UnmanagedPage, width: int | None, now: datetime = NOON + timedelta(hours=20, minutes=48)) -> list[str]:
    return [line.plain for line in list_lines(page, now, width)]


def test_in_a_pipe_a_row_is_one_line_with_nothing_cut() -> None:
    expected = [
        "STATUS    LEFT    LAST (UTC)        REASON              CUSTOMER                       "
        "ID                                    LAST TEXT",
        "● active  3h 12m  2026-07-01 12:00  number_has_no_menu  Anna-Maria Rossi 393331234567  "
        "00000000-0000-0000-0000-000000000001  Hello ⏎ there",
        "✔ closed          2026-07-01 12:00  number_has_no_menu  Anna-Maria Rossi 393331234567  "
        f"00000000-0000-0000-0000-000000000002  {LONG.strip()}",
        "",
        f"7 active, 1 closed; next page: --after {Cursor(NOON, UUID(int=2))}",
    ]
    assert expected == lines(PAGE, None)


@pytest.mark.parametrize("width", [80, 100, 139, 140, 200])
def test_in_a_terminal_no_line_of_a_row_is_longer_than_the_terminal_and_ids_stay_whole(width: int) -> None:
    shown = list_lines(PAGE, NOON, width)[:-1]
    assert all(line.cell_len <= width for line in shown)
    assert sum("00000000-0000-0000-0000-00000000000" in line.plain for line in shown) == 2


def test_a_narrow_terminal_gives_each_row_two_lines() -> None:
    expected = [
        "STATUS    LEFT    LAST (UTC)        REASON              CUSTOMER",
        "  ID                                    LAST TEXT",
        "● active  3h 12m  2026-07-01 12:00  number_has_no_menu  Anna-Maria Rossi 3933…",
        "  00000000-0000-0000-0000-000000000001  Hello ⏎ there",
    ]
    assert expected == lines(PAGE, 80)[:4]


def test_the_last_half_hour_of_a_window_stands_out() -> None:
    late = list_lines(PAGE, NOON + timedelta(hours=23, minutes=31), 200)[1]
    assert ("29m", "bold red") in [(late.plain[span.start : span.end], span.style) for span in late.spans]


def test_an_empty_list_says_so_with_the_counts() -> None:
    assert lines(UnmanagedPage([], None, {"active": 0, "closed": 3, "dismissed": 0}), 80) == [
        "There are no such conversations.",
        "",
        "0 active, 3 closed",
    ]
