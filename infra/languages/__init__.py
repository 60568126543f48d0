"""Tells in which language a customer writes."""
