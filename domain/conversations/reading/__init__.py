"""Reading: the transcript of a conversation, and the order in which people read its facts."""
