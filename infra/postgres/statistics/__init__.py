"""Numbers about conversations: contributions, cells, and what the page Analytics reads. Decides nothing."""
