"""The page *Analytics* and the lists behind its numbers. Counts nothing itself."""
