"""Alarms as they are stored: open and past ones, silences, channels, deliveries."""
