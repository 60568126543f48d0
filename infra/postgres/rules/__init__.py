"""Rescue rules in the database: what they look at, what they did, and whether they are stopped."""
