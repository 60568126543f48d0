"""A client for the stand-in's own addresses: its switches, its ledger and its customers."""

import json
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from infra.local.errors import LocalServerError


class GraphControl:
    """Controls the stand-in at `url`. All methods raise OSError or HTTPException if it does not answer."""

    def __init__(self, url: str, timeout_seconds: float = 30.0) -> None:
        self._host = urlsplit(url).netloc
        self._timeout_seconds = timeout_seconds

    def faults(self) -> dict[str, Any]:
        """Returns `{"faults", "known", "webhook"}`: the switches that are on with their hits, all that exist, and what
        waits for the webhook."""
        return self._ask("GET", "/_faults")

    def change(self, *on: str, off: Sequence[str] = (), clear: bool = False) -> dict[str, Any]:
        """Clears all switches or switches some off, and then switches some on. Returns the result, as `faults` does.
        Raises LocalServerError for one that is not understood; nothing is changed then."""
        return self._ask("POST", "/_faults", {"clear": clear, "off": list(off), "set": list(on)})

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """Returns the accepted messages without the first `after`, each `{"callback", "to", "wamid", "at",
        "phone_number_id"}`. Raises LocalServerError if some have been dropped."""
        found = self._ask("GET", f"/_ledger?after={after}")
        if found["dropped"] > after:
            raise LocalServerError(f"the ledger has lost its first {found['dropped']} messages")
        return list(found["accepted"])

    def accepted_since(self, seen: int) -> tuple[int, list[dict[str, Any]]]:
        """Returns how many messages were accepted so far, and those after the first `seen`; all of them if there are
        fewer, because the stand-in was started again."""
        found = self._ask("GET", f"/_ledger?after={seen}")
        if found["total"] < seen:
            found = self._ask("GET", "/_ledger")
        return int(found["total"]), list(found["accepted"])

    def posts(self) -> list[dict[str, Any]]:
        """Returns the latest accepted bodies and read receipts, oldest first: `{"phone_number_id", "wamid", "at",
        "body"}`; a read receipt has no wamid."""
        return list(self._ask("GET", "/_posts")["posts"])

    def customer_writes(self, **order: Any) -> str:  # noqa: ANN401 - JSON
        """Makes a customer write (see `infra.local.graph.customers.told_to_write`). Returns the wamid."""
        return str(self._ask("POST", "/_customers", order)["wamid"])

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        with closing(HTTPConnection(self._host, timeout=self._timeout_seconds)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            response = connection.getresponse()
            try:
                answer: dict[str, Any] = json.loads(response.read())
            except ValueError:
                raise LocalServerError(f"{self._host} is not a Graph stand-in") from None
        if response.status != 200:
            raise LocalServerError(str(answer["error"]))
        return answer
