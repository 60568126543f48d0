"""The page about one person's data: a copy of all of it, or its erasure."""
