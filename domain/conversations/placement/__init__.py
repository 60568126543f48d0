"""Placement: Meta's 24-hour window, which conversation a fact belongs to, and when a fact opens a new one."""
