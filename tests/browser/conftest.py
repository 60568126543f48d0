"""An installation for the browser tests, made as for the flow tests."""

from tests.flow.conftest import install, partitions

__all__ = ["install", "partitions"]
