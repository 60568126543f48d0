"""Conversations: how facts become evidence, how a conversation is classified, and its public events. Must not import
routing, mail bodies or the public contract."""
