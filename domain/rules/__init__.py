"""What rescue rules say. When they fit and what they do is in `domain.rescue`."""
