"""`witiop backup` and `witiop restore`."""
