"""`witiop stats`: the numbers about conversations."""
