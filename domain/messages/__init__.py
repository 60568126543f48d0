"""Messages that can be sent to customers."""
