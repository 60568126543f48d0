"""Adapters to the systems outside: Kafka, PostgreSQL, Amazon SES, HTTP servers and the operating system. Business rules
are not here but in `domain`, and the adapters do not import each other."""
