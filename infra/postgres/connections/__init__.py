"""Connections to PostgreSQL: timeouts, pools, and what a database error means. Nothing here knows a table."""
