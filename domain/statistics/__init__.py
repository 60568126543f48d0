"""Numbers about conversations: what each conversation contributes to which cells, computed from its public events
(docs/design/analytics.md). Nothing here decides anything about conversations."""
