"""What `witiop simulate` runs for longer than a moment."""
