"""The other conversations of a customer are found by keys, however many customers there are."""

from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import Composed

from infra.postgres.lists import own


@pytest.mark.parametrize("statement", [own._EARLIER, own._BEFORE, own._MAY_READ])
def test_the_ids_of_a_customer_are_read_by_their_keys(database: str, statement: Composed) -> None:
    values = {"conversation": uuid4(), "most": 10, "agent": "anna"}
    with psycopg.connect(database) as connection:
        connection.execute("set local enable_seqscan = off")
        rows = connection.execute(b"explain " + statement.as_bytes(connection), values).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "customers_merged" in plan
    assert "Seq Scan on customers" not in plan
