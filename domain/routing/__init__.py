"""Routing: presence of agents, transfers, offers and reservations. Must not import mail bodies or the public contract,
and stores nothing."""
