"""A backup is made and restored in containers, by the commands of docs/containers.md."""

import httpx

from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer
from infra.local.simulator.chat import Story
from infra.process.clock import utc_now
from tests.containers.deployment import PROJECT, Deployment
from tests.containers.outside import Outside
from tests.support.waiting import wait_until


def written(deployment: Deployment, name: str, phone: str) -> str:
    """A customer writes to the shop. Returns the conversation's id."""
    story = Story(f"restore {phone}", utc_now())
    story.chat(SHOP, SimulatedCustomer(name, phone)).writes("0:01", f"I am {name}")
    for told in story.posts:
        deployment.webhooks.deliver(told.post)
    return deployment.conversation_of(phone)


def test_after_the_loss_of_the_database_a_backup_and_kafka_bring_everything_back(
    deployment: Deployment, world: Outside
) -> None:
    """What was written after the backup comes from the topics; what was done after it is not done a second time."""
    before = written(deployment, "Gina", "393005558001")
    dump = deployment.raw("exec", "--no-TTY", "postgres", "pg_dump", "--username=witiop", "--format=custom", "witiop")
    after = written(deployment, "Hugo", "393005558002")
    mail = deployment.witiop_json(
        "email", after, "--to", "you@example.com", "--subject", "Hugo once", "--body", "b", "--as", "paolo"
    )
    assert "applied" == mail["outcome"]
    wait_until(lambda: _mails(world) == 1, step=0.5)

    deployment.compose("down")
    deployment.docker("volume", "rm", f"{PROJECT}_postgres")
    deployment.compose("up", "--detach", "--wait", "postgres")
    restore = ("pg_restore", "--username=witiop", "--dbname=witiop", "--no-privileges", "--exit-on-error")
    deployment.compose("exec", "--no-TTY", "postgres", *restore, stdin=dump)
    deployment.compose("up", "--detach")

    assert before == deployment.conversation_of("393005558001")
    assert after == deployment.conversation_of("393005558002")
    wait_until(lambda: "Hugo once" in deployment.witiop("restore", "list"), step=1)
    assert deployment.witiop_json("restore", "confirm", "--all", "--as", "paolo")["confirmed"]
    deployment.wait_well()
    assert 1 == _mails(world)
    with deployment.browser() as browser:
        assert 200 == browser.get("/unmanaged").status_code


def _mails(world: Outside) -> int:
    """How many mails about Hugo went out."""
    number = httpx.get(world.ses.mails_url).text.count("<li>")
    mails = (httpx.get(f"{world.ses.mails_url}/{n + 1}.eml").text for n in range(number))
    return sum("Subject: Hugo once" in mail for mail in mails)
