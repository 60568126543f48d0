"""Fetching from Amazon SNS: over TLS, and from Amazon only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.ses.sns import CertificateUnavailable, fetch_from_amazon
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


def test_content_at_an_address_of_amazon_is_fetched(amazon: Amazon) -> None:
    """For example the certificate, and the page that confirms a subscription."""
    assert certificate() == fetch_from_amazon(CERTIFICATE)
    assert b"yes" == fetch_from_amazon(f"https://{HOST}/?Action=ConfirmSubscription")


def test_nothing_is_fetched_from_a_server_that_cannot_prove_to_be_amazon(
    amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is for another name, or not signed by an authority that the machine trusts."""
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE.replace("eu-west-1", "eu-west-2"))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE)
    assert [] == amazon.requested


def test_redirects_are_not_followed(amazon: Amazon) -> None:
    """A redirect counts as a failure."""
    amazon.redirects = True
    with pytest.raises(CertificateUnavailable):
        fetch_from_amazon(CERTIFICATE)
    assert [CERTIFICATE] == amazon.requested
