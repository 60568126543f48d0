"""Measurements of the numbers: counting events, reading the page, counting everything again."""
