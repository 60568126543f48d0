"""Setting an installation up: what was seen, and what the steps are judged by."""
