"""Sending to WhatsApp in Postgres: sends, the rates of numbers, and what Meta says of numbers and templates."""
