"""Answering customers: the states of messages, the box in which they are written, templates, and how numbers stand."""
