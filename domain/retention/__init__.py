"""How long things are kept, and what is forgotten. No input or output."""
