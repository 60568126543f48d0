"""Tasks of an operator beyond single queries: checking an installation and replaying dead letters. Option parsing
belongs to `witiop.cli`."""
