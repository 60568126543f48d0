"""The webhook application with an in-memory publisher."""

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from tests.support.fake_publisher import FakePublisher
from tests.support.webhook_app import webhook_app


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def client(publisher: FakePublisher, registry: CollectorRegistry) -> FlaskClient:
    return webhook_app(publisher, registry).test_client()
