"""Text that commands print for people. Views receive what was read; they do not query the database or the brokers."""
