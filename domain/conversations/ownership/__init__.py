"""Ownership: which skillset or agent has a conversation because of a fact, and until when. Decisions of people and of
routing are in `domain.routing`."""
