"""Identifiers (domain/ids.py)."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import MAX_ID_LENGTH, ConversationId, bounded_id, event_id

LONG = st.text(min_size=1, max_size=20).map(lambda text: text * 40)


@given(st.text() | LONG)
def test_an_external_id_of_any_script_fits_an_index_in_bytes(value: str) -> None:
    kept = bounded_id(value)
    assert len(kept.encode("utf-8", "surrogatepass")) <= MAX_ID_LENGTH
    assert kept == bounded_id(kept)


@given(LONG, LONG)
def test_two_long_ids_stay_different(one: str, other: str) -> None:
    assert (one == other) == (bounded_id(one) == bounded_id(other))


def test_an_id_of_four_byte_characters_is_cut_between_characters() -> None:
    assert bounded_id("\U0001f600" * 100).startswith("\U0001f600" * 47 + "~")
    assert "\U0001f600" * 64 == bounded_id("\U0001f600" * 64)


@given(st.uuids(), st.integers(), st.text(alphabet=st.characters(codec="utf-8")))
def test_the_id_of_an_event_is_the_uuid5_of_its_conversation_sequence_and_name(
    conversation: UUID, sequence: int, name: str
) -> None:
    assert uuid5(conversation, f"{sequence}:{name}") == event_id(ConversationId(conversation), sequence, name)
