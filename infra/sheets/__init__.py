"""Spreadsheet files: workbooks are written here, and files with recipients are read here, by a process of their own.
Nothing here uses the database."""
