"""What people decide and keep about a conversation besides transferring it: dismissals, notes, tags, saved lists."""
