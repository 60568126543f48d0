"""What is fetched from Amazon SNS: over TLS, from Amazon alone, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ses.notifications import CertificateUnavailable, fetch_from_amazon
from tests.support.amazon import Amazon
from tests.support.sns import CERTIFICATE, HOST, certificate


@pytest.fixture
def amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Amazon(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def test_what_stands_at_an_address_of_amazon_is_fetched(amazon: Amazon) -> None:
    """The certificate, and the page that confirms a subscription."""
    assert certificate() == fetch_from_amazon(CERTIFICATE)
    assert b"yes" == fetch_from_amazon(f"https://{HOST}/?Action=ConfirmSubscription")


def test_a_server_that_only_says_that_it_is_amazon_hands_out_nothing(
    amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is not signed by an authority that the machine trusts, or is one of another name."""
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE.replace("eu-west-1", "eu-west-2"))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE)
    assert [] == amazon.asked


def test_an_address_of_amazon_is_not_left_for_another_one(amazon: Amazon) -> None:
    """A redirection is no answer."""
    amazon.redirects = True
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE)
    assert [CERTIFICATE] == amazon.asked
