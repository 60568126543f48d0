"""With the real processes, each with its own role: a person is erased while their messages and repeats of them keep
coming, and a process dies meanwhile. What was written before it is gone, what was written after it is there."""

from datetime import UTC, datetime
from threading import Event, Thread

from infra.local.simulator import bodies
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.process.crash_points import EXIT_CODE
from tests.support.erasure_room import NAME, ZOE
from tests.support.office import Office, open_office
from tests.support.stories import NUMBER
from tests.support.system import System
from tests.support.waiting import wait_until

LINE = BusinessNumber(NUMBER, "+39 06 555 0100", "330000000000001")
COPIES = 3
OTHER = "16505550201"


class Writers:
    """Two customers who write all the time; each message comes three times. `first`, `last`: wamid -> when a copy of it
    was acknowledged."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stop = Event()
        self.first: dict[str, datetime] = {}
        self.last: dict[str, datetime] = {}
        self._thread = Thread(target=self._write)

    def __enter__(self) -> "Writers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        people = [SimulatedCustomer(NAME, ZOE), SimulatedCustomer("Olga", OTHER)]
        copies = 0
        while not self._stop.is_set():
            for person in people:
                wamid = f"wamid.{person.wa_id}.{copies // COPIES}"
                at = datetime.now(UTC).replace(microsecond=0)
                text = bodies.message(person, wamid, at, "text", text={"body": "hello"})
                if self._system.webhooks.post(bodies.from_meta(LINE, messages=[text], senders=[person])) == 200:
                    self.first.setdefault(wamid, at)
                    self.last[wamid] = at
            copies += 1
            self._stop.wait(0.02)

    def after(self, phone: str, until: datetime) -> set[str]:
        """The messages of a phone all of whose copies were written after a time."""
        return {wamid for wamid, at in self.first.items() if phone in wamid and at > until}


def stored(office: Office, phone: str) -> list[str]:
    rows = office.rows(f"select wamid from entries where kind = 'customer_turn' and wamid like 'wamid.{phone}.%'")
    return sorted(row["wamid"] for row in rows)


def test_a_person_is_erased_while_their_messages_arrive(system: System) -> None:
    system.run("webhook", "conversations", "commands", "relay")
    with open_office(system.dsn) as office:
        with Writers(system) as writers:
            wait_until(lambda: len(stored(office, ZOE)) > 20, seconds=30)
            (victim,) = system.start("retention", crash_at="retention.before-commit")
            done = system.witiop("customers", "erase", "--phone", ZOE, "--yes", "--wait", "0")
            assert done.code == 0, done
            assert EXIT_CODE == victim.wait_end()
            assert office.rows("select state from erasures") == [{"state": "asked"}], "it died before its commit"
            system.run("retention")
            wait_until(lambda: office.rows("select state from erasures") == [{"state": "swept"}], seconds=30)
            ((until,),) = office.connection.execute("select until from erasures").fetchall()
            wait_until(lambda: len(writers.after(ZOE, until)) > 20, seconds=30)
        wait_until(lambda: set(stored(office, OTHER)) == {w for w in writers.first if OTHER in w}, seconds=30)
        left = stored(office, ZOE)
        assert len(left) == len(set(left))
        assert writers.after(ZOE, until) <= set(left)
        assert [] == [wamid for wamid in left if writers.last[wamid] <= until]
        assert [] == office.rows(f"select at from entries where wamid like 'wamid.{ZOE}.%' and at <= '{until}'")
        assert len(office.rows(f"select from conversations where wa_id = '{ZOE}'")) == 1
        assert [] == office.rows("select from set_aside union all select from early_records")
    assert ZOE not in "".join(system.logs())
