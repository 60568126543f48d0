"""The installation of the flow tests, for the browser tests."""

from tests.flow.conftest import install, partitions

__all__ = ["install", "partitions"]
