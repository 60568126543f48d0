"""Opt-outs: customers who want no messages that they did not ask for, and the words by which they say so."""
