"""The `rules` process: judges conversations that were left alone, and acts."""
