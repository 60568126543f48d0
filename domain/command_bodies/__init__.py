"""Bodies of commands that one subject has many of, and parts that several bodies have."""
