"""Several servers as one: Kafka nodes that copy every record, and PostgreSQL with a standby. Only for development and
tests: in production the servers are on machines of their own (docs/scaling.md)."""
