"""The callback data by which a lost answer is settled."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sending.callback import SECRET_BYTES, Callback, read_callback

SEND = UUID("5f0d0f8e-31d5-5b47-9a77-2f3c6a1b9d02")


@given(st.uuids(), st.integers(0, 2**31 - 1), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_what_meta_returns_is_what_was_sent(send: UUID, attempt: int, secret: bytes) -> None:
    callback = Callback(send, attempt, secret)
    assert callback == read_callback(callback.text())
    assert len(callback.text()) <= 64


@given(st.text())
def test_any_other_text_is_not_ours(text: str) -> None:
    """Other apps of the account have callback data of their own."""
    assert read_callback(text) is None


@pytest.mark.parametrize("text", ["w1", "w1...", "w1.a.1.b", "w1.é.1.ü", "w1.a.99999999999999999999.b", "w2.a.1.b"])
def test_broken_callback_data_is_ignored(text: str) -> None:
    assert read_callback(text) is None


def test_only_the_secret_of_the_send_makes_it_genuine() -> None:
    callback = Callback(SEND, 1, b"12345678")
    assert callback.is_of(b"12345678")
    assert not callback.is_of(b"12345679")
