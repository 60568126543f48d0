"""Whose a phone or user id is now: it may have belonged to others before (`domain.conversations.customers.identities`).
Parts of statements."""

from typing import LiteralString

_SAME: LiteralString = "n.phone_number_id = {number} and n.kind = {kind} and n.value = {value}"

HOLDER: LiteralString = (
    f"coalesce((select n.customer_id from identity_periods n where {_SAME} "
    "order by n.since desc, n.arrival desc, n.report desc limit 1), "
    f"(select n.customer_id from identities n where {_SAME} limit 1))"
)
"""The customer who has an address at a number, before joining; null: nobody is known. `kind` is a "char"."""

HOLDERS: LiteralString = (
    f"(select n.customer_id from identities n where {_SAME} "
    f"union select n.customer_id from identity_periods n where {_SAME})"
)
"""Subquery for all customers who have or had an address at a number, before joining."""
