"""Changes of a transaction, collected in memory and written in one order. Decides nothing; that is the domain's part."""
