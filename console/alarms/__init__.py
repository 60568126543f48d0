"""Alarms: the line on every page, the page of open and past ones, channels, and what a person wants to be told."""
