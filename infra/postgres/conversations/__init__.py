"""Customers, their conversations, and the agents that routing works with: loading, locking and writing them in batches.
Pages for people are in `lists`."""
