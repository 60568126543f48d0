"""Evidence: what the facts of a conversation say. Menu choices, opening hours, and edits and deletions of messages."""
