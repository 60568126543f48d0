"""Rescue rules on the command line."""
