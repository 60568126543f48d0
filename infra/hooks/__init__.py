"""Webhooks of other services that are told about alarms."""
