"""A campaign's own page: how far it is, who did not get it and why, and what can be done with it."""
