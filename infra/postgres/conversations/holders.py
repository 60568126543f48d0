"""Whose a phone or user id is now: it may have belonged to others before (`domain.conversations.customers.identities`).
Parts of statements."""

from typing import LiteralString

_SAME: LiteralString = "held.phone_number_id = {number} and held.kind = {kind} and held.value = {value}"

HOLDER: LiteralString = (
    f"coalesce((select held.customer_id from identity_periods held where {_SAME} "
    "order by held.since desc, held.arrival desc, held.report desc limit 1), "
    f"(select held.customer_id from identities held where {_SAME} limit 1))"
)
"""The customer who has an address at a number, before joining; null: nobody is known. `kind` is a "char"."""

HOLDERS: LiteralString = (
    f"(select held.customer_id from identities held where {_SAME} "
    f"union select held.customer_id from identity_periods held where {_SAME})"
)
"""Subquery for all customers who have or had an address at a number, before joining."""
