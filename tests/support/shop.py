"""The bike shop of the demo on the real processes, with a console for browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from infra.local.graph.server import GraphOptions
from infra.local.ports import LOOPBACK, free_port
from infra.local.ses import LocalSes
from infra.local.simulator import bike_shop
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Story, play
from infra.passwords import Passwords
from infra.postgres import directory
from infra.postgres.console.people import create
from infra.process.clock import utc_now
from tests.support.conversation_rows import end_window
from tests.support.graph import TOKEN, Graph, graph_running
from tests.support.outcome import expected_facts, facts_of, stored_facts
from tests.support.ses import ses_settings
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS
from witiop.directory_file import read_directory

OWNER, OTHER, MANAGER, AGENT, PASSWORD = "paolo", "renata", "elena", "anna", "correct horse battery staple"
"""An administrator who answers customers too, an administrator who does not, a user for campaigns only, and an
agent."""
LISTED = (11, 21)
"""Active and all unmanaged conversations of the story."""
_HOURS = 3600


class Shop:
    """The shop. For the tests, everybody but Elena may have twenty conversations, and offers do not end. `graph`: the
    stand-in of Meta that its answers are sent to, whose customers read them."""

    def __init__(self, system: System, ses: LocalSes, graph: Graph) -> None:
        self.system = system
        self.graph = graph
        self.address = f"http://{LOOPBACK}:{free_port()}"
        self.database = psycopg.connect(system.dsn, autocommit=True)
        self._ses = ses
        self._stories = 0

    def open(self) -> None:
        """Creates users, starts processes and plays the two days of the story. Returns when the list is complete."""
        now = utc_now()
        people = bike_shop.closed_now(read_directory(bike_shop.DIRECTORY_FILE), now)
        users = {
            id_: user if id_ == MANAGER else replace(user, max_conversations=20) for id_, user in people.users.items()
        }
        directory.apply(self.database, replace(people, users=users, rules=()))  # nothing acts but what a test asks for
        password = Passwords().hash(PASSWORD)
        for name in (OWNER, MANAGER, AGENT):
            create(self.database, name, password, level=None)
        create(self.database, OTHER, password, level="tenant_administrator", shown_name="Renata Zefiro")
        # nobody judges the shop unless a test starts `alarms`: its pages say how it is all the same
        self.database.execute("insert into alarm_judge (judged_at) values (now() + interval '1 day')")
        self.start("webhook", "conversations", "commands", "routing", "mails", "timer", "sender", "console")
        story = bike_shop.story_posts(now)
        play(story, self.system.webhooks)
        facts = [fact for fact in facts_of(each.post for each in story) if fact.kind != "agent_presence_changed"]
        wait_until(lambda: expected_facts(facts).ids <= stored_facts(self.database).ids)
        listed = "select count(*) filter (where status = 'a'), count(*) from conversations where unmanaged"
        wait_until(lambda: self.database.execute(listed).fetchone() == LISTED)

    def start(self, *names: str, kafka: str | None = None) -> list[Worker]:
        """Starts those of the processes that do not run, and returns them when they are ready. `kafka`: the brokers of
        these processes only."""
        running = {worker.name for worker in self.system.workers if worker.runs}
        return self.system.run(
            *(name for name in names if name not in running),
            kafka_bootstrap_servers=kafka or self.system.kafka,
            console_port=int(self.address.rpartition(":")[2]),
            console_url=self.address,
            organisation="Cicli Zefiro",
            alarm_private_hosts=LOOPBACK,
            offer_seconds=_HOURS,
            presence_timeout_seconds=_HOURS,
            reply_seconds=7 * 86_400,  # the story of two days is not to go on by itself
            sending_enabled=True,
            graph_url=self.graph.url,
            whatsapp_access_token=TOKEN,
            whatsapp_accounts=bike_shop.SHOP.account_id,
            **ses_settings(self._ses.endpoint),
        )

    def kill_console(self) -> None:
        """Kills the console, as if its machine died."""
        next(worker for worker in self.system.workers if worker.name == "console" and worker.runs).kill()

    def customer(self, name: str) -> SimulatedCustomer:
        """A new customer."""
        self._stories += 1
        return SimulatedCustomer(name, f"39300555{4000 + self._stories}")

    def customer_writes(
        self, customer: SimulatedCustomer, *texts: str, line: BusinessNumber = bike_shop.SHOP, ago: str = "0:01"
    ) -> str:
        """The customer writes, hours and minutes `ago`. Returns the conversation's id when the messages are
        processed."""
        story = self._story()
        chat = story.chat(line, customer)
        for text in texts:
            chat.writes(ago, text)
        posts = [told.post for told in story.posts]
        for post in posts:
            self.system.webhooks.deliver(post)
        wait_until(lambda: expected_facts(facts_of(posts)).ids <= stored_facts(self.database).ids)
        asked = "select id::text from conversations where wa_id = %s"
        ((id_,),) = self.database.execute(asked, [customer.wa_id]).fetchall()
        return str(id_)

    def window_ends(self, conversation: str, seconds: float) -> None:
        """The customer's only message was so long ago that their window ends in some seconds."""
        end_window(self.database, UUID(conversation), timedelta(seconds=seconds))

    def posts_to(self, customer: SimulatedCustomer) -> list[dict[str, Any]]:
        """What Meta was asked to send to the customer."""
        bodies = [post["body"] for post in self.graph.control.posts()]
        return [body for body in bodies if body.get("to", "").endswith(str(customer.wa_id))]

    def agent_is(self, agent: str, state: str) -> None:
        """The agent desktop reports a presence. Returns when it is stored."""
        story = self._story()
        story.agent_is("0:00", agent, state)
        self.system.webhooks.deliver(story.posts[0].post)
        asked = "select from agent_presence where agent_id = %s and state = %s"
        wait_until(lambda: self.database.execute(asked, [agent, state]).fetchone() is not None)

    def state_of_last_send(self, customer: SimulatedCustomer) -> str:
        """The recorded state of what was sent to the customer last."""
        asked = (
            "select s.state from sends s join conversations c on c.id = s.conversation_id where c.wa_id = %s "
            "order by s.requested_at desc limit 1"
        )
        ((state,),) = self.database.execute(asked, [customer.wa_id]).fetchall()
        return str(state)

    def make_mails_due(self) -> None:
        """Ends the ten seconds in which mails can be recalled."""
        self.database.execute("update mails set due_at = now(), held_until = now() where state = 'requested'")

    def _story(self) -> Story:
        self._stories += 1
        return Story(f"browser-{self._stories}", utc_now())

    def close(self) -> None:
        self.database.close()


@contextmanager
def open_shop(system: System, directory_: Path) -> Iterator[Shop]:
    """Opens the shop on an installation without processes. `directory_`: for the log of SES."""
    numbers = [(line.phone_number_id, line.display, line.account_id) for line in bike_shop.NUMBERS]
    meta = GraphOptions(TOKEN, APP_SECRETS[0], system.webhooks.url, numbers)
    with LocalSes(directory_ / "ses") as ses, graph_running(meta) as graph:
        shop = Shop(system, ses, graph)
        try:
            shop.open()
            yield shop
        finally:
            shop.close()
