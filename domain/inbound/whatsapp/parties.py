"""The customer of a WhatsApp update (webhooks.md, Who is the customer).

A phone may be missing, empty, or replaced by the business-scoped user id. `contacts[]` has more about customers; an
entry is found by id, never by position.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple

from domain.facts import Party
from domain.inbound.json_body import Json, JsonObject, identifier, nested, text
from domain.phone_numbers import phone_key, split_ids

MAX_NAME_LENGTH = 256
"""Longest display name, in characters: a very long name must not be repeated in a thousand facts."""

PartyRole = Literal["from", "to"]
"""Where an update names its customer: an incoming one under `from` and `from_user_id`, an outgoing one under `to` and
`to_user_id`."""


class Contact(NamedTuple):
    """An element of `contacts[]`. `name`: the profile's name, else the username; for display only."""

    wa_id: str | None
    user_id: str | None
    parent_user_id: str | None
    name: str | None

    @classmethod
    def of(cls, contact: JsonObject) -> "Contact":
        profile = nested(contact, "profile")
        name = text(profile, "name") or text(profile, "username") or text(contact, "username")
        return cls(
            *split_ids(identifier(contact, "wa_id"), identifier(contact, "user_id")),
            identifier(contact, "parent_user_id"),
            name and name[:MAX_NAME_LENGTH],
        )

    def body(self) -> JsonObject:
        """Returns the contact in Meta's form. `Contact.of` reads it into the same contact."""
        ids = {"wa_id": self.wa_id, "user_id": self.user_id, "parent_user_id": self.parent_user_id}
        return {key: value for key, value in ids.items() if value} | (
            {"profile": {"name": self.name}} if self.name else {}
        )


class Contacts:
    """The contacts of one change. Several with the same id are one if none of their ids contradict each other, e.g. one
    without a user id, or with another name; else none of them is used for it."""

    def __init__(self, contacts: Iterable[Json]) -> None:
        distinct = {Contact.of(contact) for contact in contacts if isinstance(contact, dict)}
        self._only = _agreed(distinct)
        by_id: dict[str, list[Contact]] = {}
        for contact in distinct:
            for key in _keys(contact.wa_id, contact.user_id, contact.parent_user_id):
                by_id.setdefault(key, []).append(contact)
        self._by_id = {key: _agreed(same) for key, same in by_id.items()}

    def party(self, item: JsonObject, role: PartyRole) -> Party | None:
        """Returns the customer of an update, with missing ids taken from the contact; None if the update names no
        customer."""
        wa_id, user_id, parent = _ids(item, role)
        contact = self.of(item, role)
        if contact is not None:
            ids = zip((wa_id, user_id, parent), contact, strict=False)
            wa_id, user_id, parent = (own or of_contact for own, of_contact in ids)
        user_id = user_id or (None if wa_id else parent)
        if not wa_id and not user_id:
            return None
        return Party(
            wa_id=wa_id, user_id=user_id, group_id=identifier(item, "group_id"), name=contact.name if contact else None
        )

    def of(self, item: JsonObject, role: PartyRole) -> Contact | None:
        """Returns the contact with the ids of an update. For an update without ids, returns the only contact, if there
        is exactly one."""
        wa_id, user_id, parent = _ids(item, role)
        if not wa_id and not user_id and not parent:
            return self._only
        found = [
            contact
            for key in _keys(wa_id, user_id, parent)
            if (contact := self._by_id.get(key)) is not None
            and not (user_id and contact.user_id and user_id != contact.user_id)
        ]
        return _agreed(found) or next(iter(found), None)


def _agreed(contacts: Collection[Contact]) -> Contact | None:
    """Returns what all the contacts say together, whatever their order; None if two of their ids differ. Of several
    names the longest is used."""
    if len(contacts) <= 1:
        return next(iter(contacts), None)
    phones, user_ids, parents, names = ({value for value in each if value} for each in zip(*contacts, strict=True))
    if len(set(map(phone_key, phones))) > 1 or len(user_ids) > 1 or len(parents) > 1:
        return None
    wa_id, user_id, parent, name = (
        max(values, key=lambda value: (len(value), value), default=None)
        for values in (phones, user_ids, parents, names)
    )
    return Contact(wa_id, user_id, parent, name)


def _ids(item: JsonObject, role: PartyRole) -> tuple[str | None, str | None, str | None]:
    wa_id, user_id = split_ids(identifier(item, role), identifier(item, f"{role}_user_id"))
    return wa_id, user_id, identifier(item, f"{role}_parent_user_id")


def _keys(wa_id: str | None, user_id: str | None, parent_user_id: str | None) -> Iterator[str]:
    """Yields the keys in the index, the most specific first. Prefixes keep phones, user ids and parents apart."""
    if user_id:
        yield f"u:{user_id}"
    if wa_id:
        yield f"w:{phone_key(wa_id)}"
    if parent_user_id:
        yield f"p:{parent_user_id}"
