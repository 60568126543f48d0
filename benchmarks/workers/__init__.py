"""The workers that take their work from the database: how late, how fast, at what cost."""
