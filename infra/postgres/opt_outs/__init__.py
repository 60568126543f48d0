"""Who wants no messages that they did not ask for: what is known of it, and what counts now."""
