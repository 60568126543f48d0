"""Kafka clients: topic administration, publishers, group consumers and diagnostics. No rules of the product, no SQL."""
