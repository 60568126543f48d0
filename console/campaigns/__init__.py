"""Outbound campaigns: a new one in four steps, its page, and the history of all of them (docs/design/campaigns.md)."""
