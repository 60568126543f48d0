"""The whole product in containers, as people use it: behind TLS, with the console in a browser's place."""

import re
from html import unescape

import httpx
import pytest

from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.process.clock import utc_now
from tests.containers.deployment import Deployment
from tests.containers.engine import DockerFailed
from tests.containers.outside import Outside
from tests.support.console import hidden
from tests.support.waiting import wait_until

LUCIA = SimulatedCustomer("Lucia", "393005557001")


def written(deployment: Deployment, customer: SimulatedCustomer, text: str) -> str:
    """A customer writes to the shop. Returns the conversation's id."""
    story = Story(f"containers {customer.wa_id} {text}", utc_now())
    story.chat(SHOP, customer).writes("0:01", text)
    for told in story.posts:
        deployment.webhooks.deliver(told.post)
    return deployment.conversation_of(str(customer.wa_id))


def test_a_customer_who_writes_is_in_the_list_of_unmanaged_conversations(deployment: Deployment) -> None:
    written(deployment, LUCIA, "Is the blue one still there?")
    listed = deployment.witiop_json("unmanaged", "list", "--rows", "100")["rows"]
    assert [("Lucia", "Is the blue one still there?")] == [
        (row["customer"]["name"], row["last_text"]) for row in listed if row["customer"]["wa_id"] == LUCIA.wa_id
    ]
    with deployment.browser() as browser:
        wait_until(lambda: "Is the blue one still there?" in browser.get("/unmanaged").text, step=0.5)


def test_the_administrator_transfers_a_conversation_to_a_person(deployment: Deployment) -> None:
    """The console signs a command, the command is carried out, and the page says so."""
    conversation = written(deployment, SimulatedCustomer("Carlo", "393005557002"), "Can somebody call me?")
    with deployment.browser() as browser:
        dialog = f"/conversations/{conversation}/transfer/user"
        form = hidden(browser.get(dialog).text.rpartition("<main")[2]) | {"to": "elena", "mode": "exclusive"}
        asked = browser.post(dialog, data=form)
        wait_until(lambda: "Reserved for Elena Zanini." in browser.get(asked.url).text, step=0.5)
    assert [("elena",)] == deployment.query("select owner_id from conversations where id::text = %s", conversation)


def test_a_conversation_goes_out_by_mail_once(deployment: Deployment, world: Outside) -> None:
    conversation = written(deployment, SimulatedCustomer("Dora", "393005557003"), "My order is late")
    result = deployment.witiop_json(
        "email", conversation, "--to", "you@example.com", "--body", "Please call", "--as", "paolo"
    )
    assert "applied" == result["outcome"]

    def mails() -> list[str]:
        return re.findall(
            r"Dora, WhatsApp, [^<]*</a> to you@example\.com", unescape(httpx.get(world.ses.mails_url).text)
        )

    wait_until(mails, step=0.5)
    wait_until(lambda: deployment.query("select state from mails") == [("sent",)], step=0.5)
    assert 1 == len(mails())


def test_an_answer_reaches_the_customer_and_its_statuses_come_back(deployment: Deployment, world: Outside) -> None:
    """The sender posts to Meta; Meta's webhooks come through the published port."""
    conversation = written(deployment, SimulatedCustomer("Enzo", "393005557004"), "Are you open tomorrow?")
    world.graph.control.change("status-delays=0/0/0")
    result = deployment.witiop_json("send", "text", "Yes, from nine", "--conversation", conversation, "--as", "paolo")
    assert "applied" == result["outcome"]
    asked = "select state, text from sends where conversation_id::text = %s"
    wait_until(lambda: deployment.query(asked, conversation) == [("read", "Yes, from nine")], step=0.5)
    posted = [post["body"] for post in world.graph.control.posts() if post["body"].get("type") == "text"]
    assert ["Yes, from nine"] == [body["text"]["body"] for body in posted if body["to"].endswith("5557004")]


def test_the_doctor_sees_how_far_the_installation_is(deployment: Deployment) -> None:
    """It asks Meta and Amazon from its container, and says what is done and what is left."""
    written(deployment, SimulatedCustomer("Flora", "393005557005"), "Hello")
    with pytest.raises(DockerFailed) as said:  # it ends with 1 as long as something is left to do
        deployment.witiop("doctor")
    for done in ("Signed by your app", "App subscribed to the account", "Templates and numbers of Meta", "Sending"):
        assert f"[done] {done}" in str(said.value)
