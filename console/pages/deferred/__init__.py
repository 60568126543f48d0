"""Transfers on reply in the console: of one conversation and of many, and the list of what was promised."""
