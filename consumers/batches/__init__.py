"""How records are processed: one poll, one transaction, poison isolated. Knows nothing of what a record means."""
