"""The SES checks of `witiop doctor`: no finding for a correct account, and one finding with a fix for each problem."""

import json
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.local.ports import free_port
from infra.local.ses import CONFIGURATION_SET, KEY, REGION, SENDER, TOPIC_ARN, LocalSes
from infra.ses.diagnostics import ExpectedSes, SesUnreachable, findings
from infra.ses.mailer import SesAccess

SET = f"/v2/email/configuration-sets/{CONFIGURATION_SET}"
IDENTITY = "/v2/email/identities/"
WANTED = ExpectedSes(CONFIGURATION_SET, SENDER, [TOPIC_ARN], per_second=10)
NOT_VERIFIED = "neither the sender's address nor its domain is verified"
RIGHT: dict[str, Any] = {
    SET: {"SendingOptions": {"SendingEnabled": True}},
    f"{SET}/event-destinations": {
        "EventDestinations": [
            {"Name": "cloud watch", "Enabled": True, "MatchingEventTypes": ["OPEN"], "CloudWatchDestination": {}},
            {
                "Name": "topic",
                "Enabled": True,
                "MatchingEventTypes": ["SEND", "REJECT", "DELIVERY", "BOUNCE", "COMPLAINT", "OPEN"],
                "SnsDestination": {"TopicArn": TOPIC_ARN},
            },
        ]
    },
    f"{IDENTITY}example.com": {"VerifiedForSendingStatus": True},
    "/v2/email/account": {
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "SendQuota": {"Max24HourSend": 50_000, "MaxSendRate": 14, "SentLast24Hours": 44_999},
    },
}


class Ses:
    """A server that answers each path as configured, and with 404 for other paths."""

    def __init__(self, answers: dict[str, Any]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path.replace("%40", "@"))
                error = answer if isinstance(answer, str) else "NotFoundException" if answer is None else None
                body = json.dumps({} if error else answer).encode()
                self.send_response(404 if answer is None else 400 if error else 200)
                if error:
                    self.send_header("x-amzn-ErrorType", error)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        self.access = SesAccess(REGION, f"http://127.0.0.1:{self._server.server_port}", KEY)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def answers() -> dict[str, Any]:
    """The answers of a correct account; tests may change them."""
    return deepcopy(RIGHT)


@pytest.fixture
def ses(answers: dict[str, Any]) -> Iterator[Ses]:
    server = Ses(answers)
    yield server
    server.close()


def found(ses: Ses, wanted: ExpectedSes = WANTED) -> list[str]:
    return [what for what, _ in findings(ses.access, wanted)]


def test_the_local_server_has_no_findings_except_for_missing_names(tmp_path: Path) -> None:
    """`witiop doctor` reports nothing for the SES of `witiop dev`."""
    with LocalSes(tmp_path) as local:
        access = SesAccess(REGION, local.endpoint, KEY)
        assert [] == list(findings(access, WANTED))
        others = ExpectedSes("other", "x@example.org", [TOPIC_ARN], per_second=10)
        assert ["there is no configuration set other", NOT_VERIFIED] == [what for what, _ in findings(access, others)]


def test_a_correct_account_has_no_findings(ses: Ses, answers: dict[str, Any]) -> None:
    """A verified domain covers its addresses and subdomains; the daily quota may be unlimited."""
    assert [] == found(ses)
    assert [] == found(ses, ExpectedSes(CONFIGURATION_SET, "a@mail.example.com", ["other", TOPIC_ARN], per_second=14))
    answers["/v2/email/account"]["SendQuota"] |= {"Max24HourSend": -1}
    assert [] == found(ses)


def test_a_missing_configuration_set_and_sender_are_found(ses: Ses, answers: dict[str, Any]) -> None:
    """Problems that follow from them are not reported as well."""
    del answers[SET], answers[f"{SET}/event-destinations"], answers[f"{IDENTITY}example.com"]
    assert [f"there is no configuration set {CONFIGURATION_SET}", NOT_VERIFIED] == found(ses)


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    (SET, {"SendingOptions": {"SendingEnabled": False}}, "sending is off for the configuration set witiop"),
    (
        f"{SET}/event-destinations",
        {"EventDestinations": []},
        "the configuration set witiop publishes no mail events to SNS",
    ),
    (f"{IDENTITY}example.com", {"VerifiedForSendingStatus": False}, NOT_VERIFIED),
    ("/v2/email/account", {"SendingEnabled": False}, "sending is off for the whole account"),
    ("/v2/email/account", {"EnforcementStatus": "PROBATION"}, "Amazon has set the account to PROBATION"),
    (
        "/v2/email/account",
        {"ProductionAccessEnabled": False},
        "the account is in the sandbox: only verified addresses get mails",
    ),
    (
        "/v2/email/account",
        {"SendQuota": {"Max24HourSend": 50_000, "MaxSendRate": 1, "SentLast24Hours": 0}},
        "SES accepts 1 mails a second, WITIOP_SES_RATE is 10",
    ),
    (
        "/v2/email/account",
        {"SendQuota": {"Max24HourSend": 50_000, "MaxSendRate": 14, "SentLast24Hours": 45_000}},
        "45,000 of the 50,000 mails of a day are used",
    ),
]


@pytest.mark.parametrize(("path", "change", "what"), CHANGES)
def test_each_problem_is_found(ses: Ses, answers: dict[str, Any], path: str, change: dict[str, Any], what: str) -> None:
    """Each one alone is exactly one finding."""
    answers[path] |= change
    assert [what] == found(ses)


TOPIC_CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"Enabled": False}, "the configuration set witiop publishes no mail events to SNS"),
    (
        {"MatchingEventTypes": ["SEND", "BOUNCE"]},
        "the configuration set witiop does not publish COMPLAINT, DELIVERY, REJECT",
    ),
    ({"SnsDestination": {"TopicArn": "arn:x"}}, "events go to arn:x, which /webhooks/ses does not accept"),
]


@pytest.mark.parametrize(("change", "what"), TOPIC_CHANGES)
def test_an_event_destination_that_cannot_settle_unknown_outcomes_is_found(
    ses: Ses, answers: dict[str, Any], change: dict[str, Any], what: str
) -> None:
    """Because it is off, lacks event types, or uses a topic that our webhook does not accept."""
    answers[f"{SET}/event-destinations"]["EventDestinations"][1] |= change
    assert [what] == found(ses)


def test_several_destinations_may_publish_the_events_together(ses: Ses, answers: dict[str, Any]) -> None:
    """SES's console allows such a configuration."""
    destinations = answers[f"{SET}/event-destinations"]["EventDestinations"]
    first, second = destinations[1], deepcopy(destinations[1])
    first["MatchingEventTypes"], second["MatchingEventTypes"] = ["SEND", "REJECT"], ["DELIVERY", "BOUNCE", "COMPLAINT"]
    destinations.append(second)
    assert [] == found(ses)


def test_a_denied_request_is_reported_and_the_other_checks_still_run(ses: Ses, answers: dict[str, Any]) -> None:
    """The fix names the permission."""
    answers[f"{SET}/event-destinations"] = "AccessDeniedException"
    answers["/v2/email/account"]["SendingEnabled"] = False
    denied, off = findings(ses.access, WANTED)
    assert "allow the key ses:GetConfigurationSetEventDestinations" == denied[1]
    assert "sending is off for the whole account" == off[0]


def test_a_missing_or_unexpected_answer_raises(ses: Ses, answers: dict[str, Any]) -> None:
    """Then nothing is known about the account."""
    answers[SET] = "InternalFailure"
    with pytest.raises(SesUnreachable, match="GetConfigurationSet: InternalFailure"):
        found(ses)
    with pytest.raises(SesUnreachable, match="EndpointConnectionError"):
        list(findings(SesAccess(REGION, f"http://127.0.0.1:{free_port()}", KEY), WANTED))
