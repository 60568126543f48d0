"""docs/openapi.json is generated from the code and has every address of the webhooks and of the monitor."""

import re
from typing import Any

from openapi_spec_validator import validate
from prometheus_client import CollectorRegistry

from tests.support.fake_publisher import FakePublisher
from tests.support.webhook_app import webhook_app
from witiop.contract import http

DOCUMENT = http.openapi()


def operations(server: str) -> set[tuple[str, str]]:
    """Returns the methods and paths that a server has."""
    of: dict[str, Any] = {path: item for path, item in DOCUMENT["paths"].items() if _is_at(server, item)}
    return {(method.upper(), path) for path, item in of.items() for method in item if method in ("get", "post")}


def _is_at(server: str, item: dict[str, Any]) -> bool:
    return any(server in each["description"] for each in item["servers"])


def test_the_written_document_is_that_of_the_code() -> None:
    """`make contract` writes it."""
    assert http.text() == http.FILE.read_text()


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_route_of_the_webhooks_is_described_and_no_other() -> None:
    app = webhook_app(FakePublisher(), CollectorRegistry())
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == operations("webhooks")


def test_the_monitor_is_described() -> None:
    assert {("GET", path) for path in ("/metrics", "/healthz", "/readyz")} == operations("monitor")


def test_every_reference_leads_somewhere() -> None:
    for kind, name in set(re.findall(r'"#/components/(\w+)/([\w-]+)"', http.text())):
        assert name in DOCUMENT["components"][kind]
