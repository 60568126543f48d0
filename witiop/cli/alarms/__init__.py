"""`witiop alarms`: what is wrong, and who is told about it."""
