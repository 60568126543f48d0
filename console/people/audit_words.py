"""Entries of the audit log in words."""

from collections.abc import Mapping

from console import phrases
from console.request import translated
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.console.audit import AuditEvent
from infra.postgres.console.audit_log import AuditKind, LoggedAct

KIND_WORDS: Mapping[AuditKind, str] = {
    "sign_ins": gettext_noop("Signing in and out"),
    "people": gettext_noop("People and passwords"),
    "commands": gettext_noop("Commands"),
    "downloads": gettext_noop("Downloads and deleted messages"),
    "refused": gettext_noop("Refused"),
    "other": gettext_noop("Everything else"),
}
_EVENTS: Mapping[AuditEvent, str] = {
    "signed_in": gettext_noop("Signed in"),
    "sign_in_refused": gettext_noop("Tried to sign in"),
    "signed_out": gettext_noop("Signed out"),
    "password_changed": gettext_noop("Changed their password"),
    "password_refused": gettext_noop("Tried to change their password"),
    "form_refused": gettext_noop("Sent a form of another session"),
    "forbidden": gettext_noop("Opened what their level does not allow"),
    "held_back": gettext_noop("Not sent, as no slot was free"),
    "not_kept": gettext_noop("Not sent, as the message queue did not respond"),
    "downloaded": gettext_noop("Downloaded a file"),
    "deleted_opened": gettext_noop("Opened what a customer deleted"),
    "note_deleted": gettext_noop("Deleted a note"),
    "tag_removed": gettext_noop("Removed a tag"),
    "saved_list_deleted": gettext_noop("Deleted a saved list"),
    "alarms_changed": gettext_noop("Changed alarms"),
    "choices_changed": gettext_noop("Changed what agents choose from"),
    "sign_in_made": gettext_noop("Added a person"),
    "sign_in_disabled": gettext_noop("Disabled a person"),
    "sign_in_enabled": gettext_noop("Enabled a person"),
    "level_changed": gettext_noop("Changed a level"),
    "password_reset": gettext_noop("Made a one-time password"),
    "sessions_ended": gettext_noop("Signed somebody out everywhere"),
    "rules_stopped": gettext_noop("Stopped all rules"),
    "rules_started": gettext_noop("Let rules act again"),
    "factor_enrolled": gettext_noop("Turned two-step sign-in on"),
    "factor_removed": gettext_noop("Turned two-step sign-in off"),
    "recovery_codes_made": gettext_noop("Made new recovery codes"),
    "recovery_code_used": gettext_noop("Signed in with a recovery code"),
    "code_refused": gettext_noop("Entered a wrong code"),
    "provider_refused": gettext_noop("Tried to sign in with the organisation's account"),
}
_ALARMS: Mapping[str, str] = {
    "silence": gettext_noop("Silenced an alarm"),
    "silence_ended": gettext_noop("Ended the silence of an alarm"),
    "channel_added": gettext_noop("Added an alarm channel"),
    "channel_changed": gettext_noop("Changed an alarm channel"),
    "channel_removed": gettext_noop("Removed an alarm channel"),
    "channel_tested": gettext_noop("Tested an alarm channel"),
}
_TYPES: Mapping[str, str] = {
    "transfer": gettext_noop("Transfer"),
    "transfer_on_reply": gettext_noop("Transfer on reply"),
    "release": gettext_noop("Release"),
    "dismiss": gettext_noop("Dismiss"),
    "recall": gettext_noop("Recall"),
    "email": gettext_noop("Email"),
    "send": gettext_noop("Message"),
    "resolve": gettext_noop("Settle an unconfirmed message"),
    "opt_out": gettext_noop("Opt-out"),
    "opt_in": gettext_noop("End of an opt-out"),
    "directory": gettext_noop("Change of the directory"),
    "erase": gettext_noop("Erasure of a person"),
}
_RESULTS: Mapping[str, str] = {"applied": gettext_noop("Done"), "rejected": gettext_noop("Rejected")}
_WHYS: Mapping[str, str] = {
    "wrong": gettext_noop("wrong"),
    "too_many_tries": gettext_noop("too many attempts"),
    "no_role": gettext_noop("no role"),
    "name_taken": gettext_noop("the name is somebody else's"),
    "disabled": gettext_noop("disabled"),
    "unknown": gettext_noop("nobody added them"),
    "no_name": gettext_noop("no name"),
}


_NAMED = ("tag_removed", "saved_list_deleted", "alarms_changed")
"""Events about something of the company's own that has a name."""
_SAID_BY_WHO = ("/witiop/console", "/witiop/rules")
"""Sources of commands that need no word: the one who issued them tells it."""


def act_words(act: LoggedAct, directory: Directory) -> str:
    """What was done, in the language of the page."""
    if act.event == "asked":
        return phrases.command_request(directory, act.detail)
    if act.event is not None:
        found = next((text for event, text in _EVENTS.items() if event == act.event), None)
        if act.event == "alarms_changed":
            found = _ALARMS.get(str(act.detail.get("what")), found)
        return translated(found) if found is not None else act.event.replace("_", " ")
    name = (act.type or "").removeprefix("witiop.command.").removesuffix(".v1")
    return translated(_TYPES[name]) if name in _TYPES else name or translated(gettext_noop("An unreadable command"))


def about_words(act: LoggedAct) -> str:
    """About whom or what, besides a conversation. Only fields that are never a customer's."""
    detail = act.detail
    found = [str(detail["of"])] if isinstance(detail.get("of"), str) else []
    if isinstance(level := detail.get("level"), str) and level in phrases.LEVELS:
        found.append(translated(phrases.LEVELS[level]))
    if isinstance(skillsets := detail.get("skillsets"), list):
        found.append(", ".join(map(str, skillsets)))
    if act.event == "asked" and detail.get("notes") is True:
        found.append(translated(gettext_noop("with internal notes")))
    if act.event == "downloaded":
        found += [str(detail[name]) for name in ("what", "kind") if isinstance(detail.get(name), str)]
    if act.event in _NAMED:
        found += [str(detail[name]) for name in ("tag", "list", "channel", "kind") if isinstance(detail.get(name), str)]
    if act.event == "alarms_changed" and isinstance(hours := detail.get("hours"), int | float) and hours:
        found.append(translated(gettext_noop("%(n)s h")) % {"n": f"{hours:g}"})
    if act.event in ("forbidden", "form_refused") and isinstance(detail.get("path"), str):
        found.append(str(detail["path"]))
    source = detail.get("source")
    if act.event is None and isinstance(source, str) and source not in _SAID_BY_WHO:
        found.append(source)
    return ", ".join(each for each in found if each)


def result_words(act: LoggedAct) -> str:
    """What came of it."""
    if act.result is not None:
        result = translated(_RESULTS[act.result]) if act.result in _RESULTS else act.result
        is_explained = act.result == "rejected" and act.reason
        return f"{result}: {phrases.rejection(act.reason)}" if is_explained else result
    why = act.detail.get("why")
    if isinstance(why, str):
        return translated(_WHYS.get(why, why))
    return translated(gettext_noop("No result yet")) if act.event == "asked" else ""
