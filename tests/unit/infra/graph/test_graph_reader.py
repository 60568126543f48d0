"""What is read of Meta's list of templates: what lasts, and nothing that differs from one answer to the next."""

from collections.abc import Mapping
from typing import Any, cast

from domain.sending.templates import Template
from infra.graph.access import GraphClient, MetaAnswer
from infra.graph.reader import GraphReader


class Listing:
    """Answers as Meta does: the address of each sample file is signed for this answer alone."""

    def __init__(self) -> None:
        self.answers = 0

    def get(self, path: str, query: Mapping[str, str]) -> MetaAnswer:
        self.answers += 1
        sample = {"header_handle": [f"https://scontent.test/picture.jpg?oh={self.answers}&oe=6AA7FF50"]}
        picture = {"type": "HEADER", "format": "IMAGE", "example": sample}
        body = {"type": "BODY", "text": "Hello {{1}}", "example": {"body_text": [["Anna"]]}}
        cards = {"type": "CAROUSEL", "cards": [{"components": [picture, body]}]}
        row = {"name": "offer", "language": "it", "status": "APPROVED", "components": [picture, body, cards]}
        return MetaAnswer(200, {"data": [row]})


def listed(client: Listing) -> Template:
    (template,) = GraphReader(cast(GraphClient, client)).templates("account")
    return template


def test_a_template_that_nobody_edited_is_the_same_whenever_it_is_read() -> None:
    """Otherwise each synchronisation would pause its campaigns, as if its text had been edited."""
    client = Listing()
    first, later = listed(client), listed(client)
    assert 2 == client.answers
    assert (first.components, first.fingerprint) == (later.components, later.fingerprint)


def test_what_else_meta_says_of_a_template_is_kept() -> None:
    template = listed(Listing())
    parts: list[Mapping[str, Any]] = [*template.components]
    assert ("image", "Hello {{1}}", ["1"]) == (template.header_kind, template.body, template.variables)
    assert {"body_text": [["Anna"]]} == parts[1]["example"]
    assert "IMAGE" == parts[2]["cards"][0]["components"][0]["format"]
