"""Addresses that alarms may be sent to."""

import pytest

from domain.alarms.channels import AddressRefused, check_address, is_name, normal_address, shown_address

LOCAL = "127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com/hook",
        "https://user@example.com/hook",
        "https://exa mple.com/",
        "https:///hook",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/#part",
        "https://example.com/\r\nX: y",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_address_that_is_not_a_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(url)


def test_http_is_for_hosts_that_may_be_private_only() -> None:
    assert check_address("http://127.0.0.1:8065/hook", [LOCAL]).port == 8065
    assert check_address("https://hooks.slack.com/services/T/B/x").hostname == "hooks.slack.com"


def test_pages_show_the_host_of_a_webhook_only() -> None:
    """The path is a secret: it lets anybody write to the team."""
    assert shown_address("text", "https://hooks.slack.com/services/T/B/x", ()) == "hooks.slack.com"
    assert shown_address("mail", "a@example.com", ()) == "a@example.com"


def test_several_addresses_of_mails_are_a_channel() -> None:
    def known(text: str) -> str | None:
        return text.lower() if "@" in text else None

    assert normal_address("mail", " A@example.com; b@example.com,", (), known) == "a@example.com,b@example.com"
    for typed in ("", "a@example.com, b", ",".join(f"{n}@example.com" for n in range(21))):
        with pytest.raises(AddressRefused):
            normal_address("mail", typed, (), known)


def test_a_name_is_one_short_line() -> None:
    assert is_name("Sales team")
    assert not any(map(is_name, ("", " x", "a\nb", "x" * 61)))
