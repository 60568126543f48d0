"""Kafka and PostgreSQL as a company runs them, for tests: with TLS, a user for each process, and nothing allowed that
nobody allowed. `witiop dev` does not use them."""
