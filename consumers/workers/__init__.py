"""Workers that take their work from the database in a poll loop. One module per process, and what they share."""
