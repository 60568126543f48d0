"""`witiop customers`: one person's data, exported or erased."""
