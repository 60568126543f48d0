"""The places in a conversation that addresses name."""

import pytest

from infra.postgres.lists.conversation_parts import EntryCursor, entry_cursor

ID = "0" * 31 + "7"


def test_a_place_is_read_back() -> None:
    place = entry_cursor(f"1700000000000000-42-{ID}")
    assert isinstance(place, EntryCursor)
    assert place == entry_cursor(str(place))


@pytest.mark.parametrize(
    "text", [None, "", "x", f"{'9' * 40}-1-{ID}", f"1-{'9' * 20}-{ID}", f"{'9' * 6000}-1-{ID}", "1-2-3"]
)
def test_what_the_database_could_not_compare_is_no_place(text: str | None) -> None:
    assert entry_cursor(text) is None
