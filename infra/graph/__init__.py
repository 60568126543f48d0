"""Meta's Graph API: posting messages, and reading what Meta says of numbers and templates."""
