"""Names of things (domain/ids.py)."""

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import MAX_ID_LENGTH, bounded_id

LONG = st.text(min_size=1, max_size=20).map(lambda text: text * 40)


@given(st.text() | LONG)
def test_an_id_from_outside_fits_an_index_in_bytes_whatever_its_script(value: str) -> None:
    kept = bounded_id(value)
    assert len(kept.encode("utf-8", "surrogatepass")) <= MAX_ID_LENGTH
    assert kept == bounded_id(kept)


@given(LONG, LONG)
def test_two_long_ids_stay_two(one: str, other: str) -> None:
    assert (one == other) == (bounded_id(one) == bounded_id(other))


def test_an_id_of_characters_of_four_bytes_is_cut_between_characters() -> None:
    assert bounded_id("\U0001f600" * 100).startswith("\U0001f600" * 47 + "~")
    assert "\U0001f600" * 64 == bounded_id("\U0001f600" * 64)
