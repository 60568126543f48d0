"""The webhook process: it verifies signed HTTP bodies, turns them into facts and publishes these to Kafka. No database,
and no decisions about conversations."""
