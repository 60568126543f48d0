"""What becomes of a campaign's template to the demo's subscribers, without any fault."""

from infra.local.graph.faults import FaultBoard, FaultSubject
from infra.local.graph.statuses import AcceptedMessage, StatusPlan, plan_statuses
from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer
from infra.local.simulator.subscribers import subscribers


def plan(phone: str, kind: str = "template") -> StatusPlan:
    """Returns what is reported about a message to somebody."""
    customer = SimulatedCustomer("", phone)
    message = AcceptedMessage(SHOP, customer, f"wamid.{phone}", 0.0, "c1", "marketing", kind, {"components": []})
    return plan_statuses(message, FaultBoard(), FaultSubject(SHOP.phone_number_id, phone))


def test_their_statuses_are_spread_and_not_everybody_reads() -> None:
    plans = [plan(phone) for phone in subscribers()]
    kinds = [[due.item["status"] for due in each.statuses] for each in plans]
    assert {"failed"} == {status for each in kinds if "sent" not in each for status in each}
    assert 5 < kinds.count(["failed"]) < 15
    assert 150 < kinds.count(["sent", "delivered"]) < 350
    assert 1 == sum(each.held for each in plans)
    reached = [each.statuses[1].delay for each in plans if len(each.statuses) > 1 and not each.held]
    assert max(reached) - min(reached) > 4
    for each in plans:
        assert [due.delay for due in each.statuses] == sorted(due.delay for due in each.statuses)


def test_who_is_not_on_whatsapp_fails_with_meta_s_error_of_that() -> None:
    errors = [due.item["errors"][0]["code"] for p in subscribers() for due in plan(p).statuses if "errors" in due.item]
    assert {131026} == {*errors}


def test_others_and_other_messages_are_as_usual() -> None:
    phone = next(iter(subscribers()))
    for usual in (plan("393331234567"), plan(phone, "text")):
        assert [0.2, 0.5, 2.0] == [due.delay for due in usual.statuses]
