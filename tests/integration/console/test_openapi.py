"""docs/openapi.json names addresses that the console has, and all of its streams."""

from typing import Any
from uuid import UUID

from tests.support.console import Console
from witiop.contract import http

PATHS: dict[str, Any] = {
    path: item
    for path, item in http.openapi()["paths"].items()
    if any(each["description"].startswith("the console") for each in item["servers"])
}


def test_every_address_in_the_document_is_one_of_the_consoles(console: Console) -> None:
    addresses = console.app.url_map.bind("console.example.com")
    for path in PATHS:
        endpoint, _ = addresses.match(path.replace("{id}", str(UUID(int=0))), method="GET")
        assert endpoint


def test_every_stream_of_the_console_is_in_the_document(console: Console) -> None:
    streams = {rule.rule for rule in console.app.url_map.iter_rules() if rule.endpoint.endswith(".stream")}
    assert streams == {path for path in PATHS if path.endswith("/live")}


def test_a_program_without_a_session_is_sent_to_the_sign_in_or_refused(console: Console) -> None:
    """As the document says of each of them, except of health."""
    browser = console.browser()
    for path, item in PATHS.items():
        if path in ("/healthz", "/readyz"):
            continue
        status = browser.get(path.replace("{id}", str(UUID(int=0)))).status_code
        assert (path, True) == (path, status in (303, 401))
        assert str(status) in item["get"]["responses"]
