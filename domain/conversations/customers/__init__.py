"""Customers: who a phone, user id or group belongs to, and by which of them a customer is reached now."""
