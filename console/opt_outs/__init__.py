"""The page of customers who want no messages that they did not ask for."""
