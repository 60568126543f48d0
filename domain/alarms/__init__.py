"""Alarms: what calls a person, what it says and what to do about it (docs/design/alarms.md).

Plain rules, no input or output. Nothing here holds a customer's text, name or phone.
"""
