"""Campaigns: a template to many customers, each at most once per wave (docs/design/campaigns.md)."""
