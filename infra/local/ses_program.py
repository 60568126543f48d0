"""The program of `infra.local.ses`: moto's server, with our identity, configuration set and bucket from the start,
answers for requests of `witiop doctor` that moto does not support, and pages that show the sent mails. moto itself
shows the mails as JSON under /moto-api/data.json."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from email import message_from_string
from email.policy import default
from html import escape
from typing import TYPE_CHECKING, Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from moto.ses.models import ses_backends
from werkzeug.serving import run_simple
from werkzeug.wrappers import Response

from infra.local.ses import BUCKET, CONFIGURATION_SET, REGION, SENDER, TOPIC_ARN

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MAIL = re.compile(r"/mails/([1-9][0-9]{0,8})(\.eml)?")
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_SET = f"/v2/email/configuration-sets/{CONFIGURATION_SET}"
_ANSWERS: dict[str, object] = {
    "/v2/email/account": {
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": 1000.0, "SentLast24Hours": 0.0},
    },
    _SET: {"ConfigurationSetName": CONFIGURATION_SET, "SendingOptions": {"SendingEnabled": True}},
    f"{_SET}/event-destinations": {
        "EventDestinations": [
            {
                "Name": "webhook",
                "Enabled": True,
                "MatchingEventTypes": ["SEND", "REJECT", "DELIVERY", "BOUNCE", "COMPLAINT"],
                "SnsDestination": {"TopicArn": TOPIC_ARN},
            }
        ]
    },
}


def page(path: str, mails: list[str]) -> Response | None:
    """Returns our response for a path; None if the path is not ours. `mails`: as posted, in order."""
    if path in _ANSWERS:
        return Response(json.dumps(_ANSWERS[path]), mimetype="application/json")
    if path == "/mails":
        return Response("".join(_list(mails)), mimetype="text/html", headers=_HEADERS)
    match = _MAIL.fullmatch(path)
    if match is None:
        return None
    number = int(match[1])
    if number > len(mails):
        return Response("There is no such mail.\n", 404)
    raw = mails[number - 1]
    if match[2]:
        return Response(raw, mimetype="message/rfc822")
    body = message_from_string(raw, policy=default).get_body(("html", "plain"))
    content = body.get_content() if body is not None else ""
    return Response(content, mimetype=body.get_content_type() if body else "text/plain", headers=_HEADERS)


def _list(mails: list[str]) -> Iterator[str]:
    yield f"<!DOCTYPE html><title>Mails</title><h1>{len(mails)} mails</h1><ol>"
    for number, raw in enumerate(mails, 1):
        mail = message_from_string(raw, policy=default)
        subject, to = escape(mail["Subject"] or "no subject"), escape(mail["To"] or "")
        yield f'<li><a href="/mails/{number}">{subject}</a> to {to} (<a href="/mails/{number}.eml">source</a>)</li>'
    yield "</ol>\n"


def application() -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    """Returns the application: our paths first, then moto's."""
    ses = ses_backends[DEFAULT_ACCOUNT_ID][REGION]
    ses.create_email_identity_v2(SENDER, None, None, None).verified_for_sending_status = True
    ses.create_configuration_set(CONFIGURATION_SET)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, REGION)
    moto: Any = DomainDispatcherApplication(create_backend_app)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        ours = page(environ["PATH_INFO"], [mail.raw_data for mail in ses.sent_messages])
        return (ours or moto)(environ, start_response)

    return answer


if __name__ == "__main__":
    run_simple(sys.argv[1], int(sys.argv[2]), application(), threaded=True)
