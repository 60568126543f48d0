"""Backups of the database as one file, without PostgreSQL's own programs: their version has to fit the server's, and
the image has none (docs/decisions/0067). Not here: what is held after a restore (`infra.postgres.messaging.restores`).
"""
