"""The rows of a campaign before it starts: where they come from, and who of them gets a message."""
