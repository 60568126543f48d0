"""Readers of webhook bodies: bytes -> facts and unreadable parts. Pure functions; nothing here opens a connection, and
nothing decides about conversations."""
