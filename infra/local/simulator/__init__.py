"""Customers, Softbot, agents and Meta, played against the webhooks: for the demo, for tests, for load."""
