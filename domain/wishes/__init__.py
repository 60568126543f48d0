"""Wishes: transfers that are carried out when the customer answers a template. What they are, and when they end."""
