"""Who may speak to us: a body counts only with a signature over exactly its bytes."""

import pytest

from tests.support.webhook_app import signature
from webhook.signature import is_signed

BODY = b'{"object":"whatsapp_business_account","entry":[]}'


def test_the_vector_of_the_documentation_is_accepted() -> None:
    header = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"

    assert is_signed(header, BODY, [b"test_app_secret"])


@pytest.mark.parametrize("secret", ["first", "second", "third"])
def test_each_of_several_secrets_signs(secret: str) -> None:
    assert is_signed(signature(BODY, secret), BODY, [b"first", b"second", b"third"])


def test_hex_digits_may_be_capitals() -> None:
    assert is_signed("sha256=" + signature(BODY, "s")[7:].upper(), BODY, [b"s"])


def test_a_secret_that_is_not_ours_does_not_sign() -> None:
    assert not is_signed(signature(BODY, "theirs"), BODY, [b"ours", b"ours too"])


def test_a_changed_byte_breaks_the_signature() -> None:
    assert not is_signed(signature(BODY, "s"), BODY + b" ", [b"s"])


def test_without_secrets_nobody_signs() -> None:
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
def test_a_missing_or_malformed_header_is_no_signature(header: str | None) -> None:
    assert not is_signed(header, BODY, [b"s"])
