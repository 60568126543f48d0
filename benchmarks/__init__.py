"""Measurements of the figures in docs/performance.md, on real servers. Not part of the product or its tests."""
