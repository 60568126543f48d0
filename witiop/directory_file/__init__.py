"""The directory file: its syntax, its validation and its error messages. It is applied elsewhere
(`consumers.changes.directory`)."""
