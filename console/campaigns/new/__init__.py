"""A new campaign: its template, its recipients, check and test, and the start."""
