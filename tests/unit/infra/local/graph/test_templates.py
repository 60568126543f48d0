"""The templates of the Graph stand-in: their list in pages, and the checks of parameters."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra.local.graph.checks.refusals import GraphRefusal
from infra.local.graph.checks.template_parameters import check_parameters
from infra.local.graph.templates import TEMPLATES, TemplateStore

PATH = "http://graph/v24.0/1/message_templates"
IN_ORDER = [
    ("order_update", "en", "UTILITY", "APPROVED"),
    ("order_update", "it", "UTILITY", "APPROVED"),
    ("hello_world", "en_US", "UTILITY", "APPROVED"),
    ("spring_offer", "en", "MARKETING", "APPROVED"),
    ("visit_reminder", "en", "UTILITY", "PAUSED"),
    ("flash_sale", "en", "MARKETING", "REJECTED"),
    ("autumn_check", "en", "MARKETING", "APPROVED"),
    ("autumn_check", "it", "MARKETING", "APPROVED"),
]


def texts(*values: str, names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    named = [{"parameter_name": name} for name in names] or [{} for _ in values]
    return [{"type": "text", "text": value, **name} for value, name in zip(values, named, strict=True)]


def part(kind: str, *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "parameters": list(parameters), **more}


@pytest.mark.parametrize("limit", [1, 2, 4, 6, 25])
def test_following_the_next_page_lists_every_template_once_and_in_order(limit: int) -> None:
    store, found = TemplateStore(), []
    query = {"limit": str(limit), "fields": "name,language,category,status"}
    pages = 0
    while query:
        page = store.page(query, PATH)
        pages += 1
        assert len(page["data"]) <= limit
        found += page["data"]
        query = dict(parse_qsl(urlsplit(page["paging"].get("next", "")).query))
        if query:
            assert page["paging"]["cursors"]["after"] == query["after"]
    assert IN_ORDER == [(row["name"], row["language"], row["category"], row["status"]) for row in found]
    assert -(-len(IN_ORDER) // limit) == pages
    assert {"name", "language", "category", "status", "id"} == found[0].keys()


def test_the_list_is_filtered_and_wrong_pages_are_refused() -> None:
    store = TemplateStore()
    assert 6 == len(store.page({"status": "approved"}, PATH)["data"])
    assert 2 == len(store.page({"name": "order_update"}, PATH)["data"])
    assert [] == store.page({"name": "unknown"}, PATH)["data"]
    for query in ({"limit": "0"}, {"limit": "many"}, {"after": "nonsense"}):
        with pytest.raises(GraphRefusal):
            store.page(query, PATH)


OFFER = [part("header", *texts("Zefiro")), part("body", *texts("Anna", "30 April"))]
REFUSED = {
    "no parameter": ("order_update", [], 132000),
    "two parameters": ("order_update", [part("body", *texts("1", "2"))], 132000),
    "a picture for a text": ("order_update", [part("body", {"type": "image", "image": {"id": "1"}})], 132012),
    "an empty text": ("order_update", [part("body", *texts(" "))], 131008),
    "a line end": ("order_update", [part("body", *texts("1\n2"))], 132018),
    "five spaces": ("order_update", [part("body", *texts("1     2"))], 132018),
    "a body too long": ("order_update", [part("body", *texts("x" * 1024))], 132005),
    "an unknown component": ("order_update", [part("footer", *texts("1"))], 131009),
    "a header that does not exist": ("order_update", [part("body", *texts("1")), part("header", *texts("1"))], 132000),
    "no header": ("spring_offer", OFFER[1:], 132000),
    "a button that does not exist": ("spring_offer", [*OFFER, part("button", index=1, sub_type="quick_reply")], 132000),
    "a button of another type": ("spring_offer", [*OFFER, part("button", index=0, sub_type="url")], 132012),
    "a button without place": ("spring_offer", [*OFFER, part("button", sub_type="quick_reply")], 131008),
    "unknown": ("unknown", [], 132001),
    "paused": ("visit_reminder", [part("body", *texts("Monday"))], 132015),
    "rejected": ("flash_sale", [], 132001),
}


@pytest.mark.parametrize(("name", "components", "code"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_does_not_fit_is_refused_with_meta_s_code(
    name: str, components: list[dict[str, Any]], code: int
) -> None:
    with pytest.raises(GraphRefusal) as refused:
        TemplateStore().sendable(name, "en", components)
    assert code == refused.value.code


@pytest.mark.parametrize(
    ("name", "language", "components"),
    [
        ("order_update", "en", [part("body", *texts("1234"))]),
        ("order_update", "it", [part("BODY", *texts("1234"))]),
        ("hello_world", "en_US", []),
        ("spring_offer", "en", [*OFFER, part("button", index="0", sub_type="quick_reply")]),
    ],
)
def test_a_template_with_its_parameters_passes(name: str, language: str, components: list[dict[str, Any]]) -> None:
    assert name == TemplateStore().sendable(name, language, components)["name"]


def test_a_template_exists_in_its_languages_only() -> None:
    with pytest.raises(GraphRefusal, match="does not exist in en"):
        TemplateStore().sendable("hello_world", "en", [])


PICTURE = {"components": [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Look"}]}
NAMED = {"parameter_format": "NAMED", "components": [{"type": "BODY", "text": "{{who}}, at {{time}} or {{time}}"}]}
LINK = {
    "components": [
        {"type": "BODY", "text": "Look"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Open", "url": "https://example.com/{{1}}"}]},
    ]
}


@pytest.mark.parametrize(
    ("template", "components", "code"),
    [
        (PICTURE, [part("header", {"type": "image", "image": {"id": "1"}})], None),
        (PICTURE, [], 132012),
        (PICTURE, [part("header", *texts("x"))], 132012),
        (PICTURE, [part("header", {"type": "image", "image": {}})], 131008),
        (NAMED, [part("body", *texts("Anna", "10", names=("who", "time")))], None),
        (NAMED, [part("body", *texts("10", "Anna", names=("time", "who")))], None),
        (NAMED, [part("body", *texts("Anna", "10"))], 100),
        (NAMED, [part("body", *texts("Anna", "10", names=("who", "when")))], 132000),
        (LINK, [part("button", *texts("17"), index=0, sub_type="url")], None),
        (LINK, [], 131008),
    ],
)
def test_pictures_named_parameters_and_links_are_checked_too(
    template: dict[str, Any], components: list[dict[str, Any]], code: int | None
) -> None:
    if code is None:
        check_parameters(template, components)
    else:
        with pytest.raises(GraphRefusal) as refused:
            check_parameters(template, components)
        assert code == refused.value.code


def test_a_store_that_was_changed_can_be_restored() -> None:
    store = TemplateStore()
    store.change({"order_update"}, {"hello_world": "Goodbye {{1}}"})
    assert ["PAUSED", "PAUSED", "APPROVED"] == [template["status"] for template in store.current()[:3]]
    with pytest.raises(GraphRefusal, match="132000"):
        store.sendable("hello_world", "en_US", [])
    store.change(set(), {})
    assert list(TEMPLATES) == store.current()
