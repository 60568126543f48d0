"""Writing to a customer, undoing it while there is time, and settling what Meta did not confirm. Each one submits a
command; nothing here changes a conversation."""

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import CommandRequest, body, show_typing, submit
from console.dependencies import Dependencies
from console.notices import kafka_unavailable, submitted
from console.request import person, target, translated, words
from console.sending.box import (
    AnswerBox,
    Typed,
    answer_box,
    box_mode,
    may_see_box,
    refusal,
    refusal_text,
    render_box,
    send_command,
    with_typed,
)
from domain.commands import Recall, Resolve, SendMessage
from domain.contract.texts import gettext_noop
from domain.conversations.conversation import Conversation
from domain.ports import PublishFailed
from domain.sending.sends import Send, send_id
from infra.postgres.console import audit, drafts
from infra.postgres.lists.conversation_page import read_conversation
from infra.postgres.sending import sends


def answer_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/answer`, `/messages/...`. For administrators, for supervisors on what they
    supervise, and for the agent whose conversation it is."""
    pages = Blueprint("answers", __name__)

    @pages.get("/conversations/<uuid:id_>/answer")
    @gate.open_to("signed_in")
    def show(id_: UUID) -> ResponseReturnValue:
        """The box, with the message that it replies to or with the text of a message that was not sent."""
        with deps.connection() as conn:
            box = answer_box(deps, conn, writable(deps, conn, id_), deps.directory(conn))
            again = request.args.get("again", type=UUID)
            unsent = sends.find(conn, again) if again else None
        unsent_text = unsent[0].text if unsent and unsent[0].conversation_id == id_ else None
        text = _with_unsent(box.typed.text, unsent_text or "")
        return render_box(with_typed(box, Typed(text, reply_to=request.args.get("reply_to", ""))))

    @pages.post("/conversations/<uuid:id_>/answer")
    @gate.open_to("signed_in")
    def answer(id_: UUID) -> ResponseReturnValue:
        typed, expected = Typed.read(request.form), request.form.get("expected_last", "")
        wrong = typed.wrong()
        with deps.connection() as conn:
            directory = deps.directory(conn)
            conversation = writable(deps, conn, id_)
            box = answer_box(deps, conn, conversation, directory)
            if not wrong:
                fields = send_command(id_, typed.message(), reply_to=typed.reply_to, expected_last=expected)
                command = body(SendMessage, **fields)
                why = refusal(deps, conn, conversation, command, directory)
                wrong = refusal_text(why) if why is not None else ""
        if wrong:
            return _refused(deps, box, typed, wrong, 422)
        try:
            ids = submit(deps, request.form.get("form", ""), [CommandRequest(command, "send")])
        except PublishFailed:
            text = gettext_noop("Not sent: the message queue (Kafka) is not responding. Try again in a moment.")
            return _refused(deps, replace(box, expected_last=expected), typed, translated(text), 503)
        with deps.connection() as conn:
            drafts.mark_sent(conn, id_, person().name, typed.text, ids[0])
        notice = submitted(deps, ids[0])
        return notice if target() is None else render_box(with_typed(box, Typed())) + str(notice)

    @pages.post("/conversations/<uuid:id_>/draft")
    @gate.open_to("signed_in")
    def keep_draft(id_: UUID) -> ResponseReturnValue:
        """Keeps what the person has typed so far. The customer sees that they are writing, where that is wanted."""
        if _keep_draft(deps, id_):
            show_typing(deps, id_)
        return "", 204

    @pages.post("/messages/<command_id>/recall")
    @gate.open_to("signed_in")
    def recall(command_id: str) -> ResponseReturnValue:
        """Recalls a message, by the command that asked for it."""
        with deps.connection() as conn:
            asked = audit.requested_command(conn, command_id)
            found = sends.find(conn, send_id(command_id))
            mine = asked is not None and asked.name == person().name
            about = asked.conversation_id if asked else found[0].conversation_id if found else None
            _require_reach(conn, mine, about)
        recalled = body(Recall, send_command_id=command_id)
        return _submit(deps, CommandRequest(recalled, "recall_send", {"undone": command_id}, about))

    @pages.post("/messages/<uuid:id_>/resolve")
    @gate.open_to("signed_in")
    def resolve(id_: UUID) -> ResponseReturnValue:
        """Settles a message that Meta did not confirm, as the person says."""
        with deps.connection() as conn:
            send = _send(conn, id_)
            _require_reach(conn, send.actor == person().name, send.conversation_id)
        command = body(Resolve, send_id=id_, as_=request.form.get("as"))
        return _submit(deps, CommandRequest(command, command.as_, about=send.conversation_id))

    return pages


def _with_unsent(typed: str, unsent: str) -> str:
    """What the person is writing, and below it the text that is written again, once."""
    if not typed or not unsent:
        return typed or unsent
    return typed if f"\n{typed}".endswith(f"\n{unsent}") else f"{typed}\n{unsent}"


def _require_reach(conn: Connection[object], is_own: bool, conversation: UUID | None) -> None:
    """Aborts with 403 if a message is neither the person's own nor in a conversation that they may act on."""
    if not is_own and (conversation is None or not gate.within_reach(conn, [conversation])):
        abort(403)


def writable(deps: Dependencies, conn: Connection[object], id_: UUID) -> Conversation:
    """The conversation, which the person may answer. Aborts with 404 if it does not exist, and with 403 if they may not
    write in it."""
    conversation = read_conversation(conn, id_)
    if conversation is None:
        abort(404)
    if not may_see_box(deps, conn, conversation):
        if deps.sending.enabled:
            gate.audit_refusal(deps, "forbidden", "level", id_)
        abort(403)
    return conversation


def _keep_draft(deps: Dependencies, id_: UUID) -> bool:
    """Keeps what was typed; returns whether the customer is to be shown now that the person is writing: only where that
    is wanted and the text can be sent to them."""
    with deps.connection() as conn:
        conversation = writable(deps, conn, id_)
        kept = drafts.keep(conn, id_, person().name, Typed.read(request.form).text.replace("\0", ""))
        if not kept or deps.is_typing_due is None or box_mode(deps, conn, conversation) != "text":
            return False
    return deps.is_typing_due(id_, words().now)


def _refused(deps: Dependencies, box: AnswerBox, typed: Typed, error: str, status: int) -> ResponseReturnValue:
    """The box with everything that was typed, which is a draft from then on. It has the form's own token, so sending it
    again is the same command unless something was changed."""
    if typed.text.strip():
        with deps.connection() as conn:
            drafts.keep(conn, box.conversation.id, person().name, typed.text.replace("\0", ""))
    return render_box(with_typed(box, typed, error, request.form.get("form"))), status


def _send(conn: Connection[object], id_: UUID) -> Send:
    found = sends.find(conn, id_)
    if found is None:
        abort(404)
    return found[0]


def _submit(deps: Dependencies, requested: CommandRequest) -> ResponseReturnValue:
    try:
        ids = submit(deps, request.form.get("form", ""), [requested])
    except PublishFailed:
        return kafka_unavailable()
    return submitted(deps, ids[0])
