"""The process `analytics`: counts our own public events, and reports rates."""
