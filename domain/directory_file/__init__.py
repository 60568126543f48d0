"""The directory as the text of a directory file: its syntax, its validation and error messages, and the differences
between two texts. Files are opened elsewhere (`witiop.directory_file`)."""
