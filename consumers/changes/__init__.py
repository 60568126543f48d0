"""What one transaction changes: collected in memory, written in one order. The decisions are made in the domain."""
