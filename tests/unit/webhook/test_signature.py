"""Signatures: a body is accepted only with a signature over exactly its bytes."""

import pytest

from tests.support.webhook_app import signature
from webhook.signature import is_signed

BODY = b'{"object":"whatsapp_business_account","entry":[]}'


def test_the_example_in_the_documentation_is_accepted() -> None:
    header = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"

    assert is_signed(header, BODY, [b"test_app_secret"])


@pytest.mark.parametrize("secret", ["first", "second", "third"])
def test_each_of_several_secrets_is_accepted(secret: str) -> None:
    assert is_signed(signature(BODY, secret), BODY, [b"first", b"second", b"third"])


def test_hex_digits_may_be_upper_case() -> None:
    assert is_signed("sha256=" + signature(BODY, "s")[7:].upper(), BODY, [b"s"])


def test_an_unknown_secret_is_rejected() -> None:
    assert not is_signed(signature(BODY, "theirs"), BODY, [b"ours", b"ours too"])


def test_a_body_with_a_changed_byte_is_rejected() -> None:
    assert not is_signed(signature(BODY, "s"), BODY + b" ", [b"s"])


def test_without_secrets_every_signature_is_rejected() -> None:
    assert not is_signed(signature(BODY, ""), BODY, [])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        signature(BODY, "s")[7:],
        signature(BODY, "s")[:-1],
        signature(BODY, "s") + "0",
        signature(BODY, "s") + "\n",
        signature(BODY, "s") + "," + signature(BODY, "s"),
        signature(BODY, "s").replace("sha256", "sha1"),
        "sha256=" + "ä" * 64,
        "sha256=" + "١" * 64,
        "sha256=" + "g" * 64,
        "\ud800",
    ],
)
def test_a_missing_or_malformed_header_is_rejected(header: str | None) -> None:
    assert not is_signed(header, BODY, [b"s"])
