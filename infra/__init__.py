"""Adapters: everything that talks to Kafka, PostgreSQL, SES, HTTP or the operating system. No rules of the product:
those are in `domain`, which adapters may import. Adapters of different systems do not import each other."""
