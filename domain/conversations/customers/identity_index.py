"""The identities that a batch needs: whose a phone or user id is at a fact, and what Meta's reports change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from domain.conversations.conversation import FactRef, fact_ref
from domain.conversations.customers.identities import (
    ALWAYS,
    Identity,
    IdentityKey,
    just_before,
    keys_of,
    named_identity,
    phone_identity,
    reported_periods,
    successor,
)
from domain.facts import ConversationFact, CustomerIdentityChanged, Party
from domain.ids import CustomerId, customer_id

_CONFIRM_AFTER = timedelta(days=1)
"""Maximum age of a phone's stored time before the time is written again: one write a day instead of one per message."""


class IdentityIndex:
    """The identities that a batch needs, and the changes that the batch makes to them.

    `learned`: periods that are new or changed; `merged`: customer -> the customer it was joined into; `lost`: customers
    who lost an identity to another one, with the reference of the first fact that this can concern. The id of a new
    customer follows from its first key, so two workers that see the customer first agree on the id."""

    def __init__(self, known: Iterable[Identity]) -> None:
        self._periods: dict[IdentityKey, list[Identity]] = {}
        self.add(known)
        self.learned: dict[tuple[IdentityKey, FactRef], Identity] = {}
        self.merged: dict[CustomerId, CustomerId] = {}
        self.lost: dict[CustomerId, FactRef] = {}
        self._numbers_of_lost: dict[CustomerId, str] = {}

    def report(self, changes: Iterable[CustomerIdentityChanged]) -> None:
        """Applies Meta's reports of new phones and user ids; called before facts are resolved. Repeats change nothing.
        Earlier messages from a new phone belong to another customer."""
        changes = sorted((c for c in changes if c.customer.group_id is None), key=fact_ref)
        named = [self.resolve(keys_of(c.phone_number_id, c.customer), just_before(fact_ref(c))) for c in changes]
        for change in changes:
            self._begin_phone(change)
        before = {key: list(periods) for key, periods in self._periods.items()}
        for change, customer in zip(changes, named, strict=True):
            for period in reported_periods(change, customer, self._user_of(change)):
                if all(period.since != known.since for known in self._periods.get(period.key, ())):
                    self._learn(period)
        self._derive()
        self._find_lost(before)
        for change in changes:
            if change.becomes.user_id is not None:
                self._same_user(change)

    def resolve(self, keys: Sequence[IdentityKey], ref: FactRef) -> CustomerId:
        """Returns the customer with these keys (`keys_of`), named by a fact. Raises ValueError if `keys` is empty."""
        if not keys:
            raise ValueError("customer: needs wa_id, user_id or group_id")
        first = keys[0]
        phone = next((key for key in keys if key.kind == "w"), None)
        if first.kind != "u":
            return self._customer(first, ref)
        with_phone = self._period(phone, ref) if phone else None
        if with_phone is not None and with_phone.user_id is None and self._period(first, ref) is None:
            self._learn(Identity(first, with_phone.customer_id, ref.at))
        customer = self._customer(first, ref)
        return self._with_phone(customer, first.value, phone, ref) if phone else customer

    def owner(self, fact: ConversationFact) -> CustomerId | None:
        """Returns the customer of a stored fact, or of a reported change, by what is known now, learning nothing from
        it; None: not known."""
        if fact.customer is None or fact.phone_number_id is None:
            return None
        ref, keys = fact_ref(fact), keys_of(fact.phone_number_id, fact.customer)
        if isinstance(fact, CustomerIdentityChanged):
            new = (
                p for key in keys_of(fact.phone_number_id, fact.becomes) if (p := self._period(key, ref)) is not None
            )
            old = (p for key in keys if (p := self._period(key, just_before(ref))) is not None)
            period = next(new, None) or next(old, None)
        else:
            period = next((p for key in keys if (p := self._period(key, ref)) is not None), None)
        return period and self.merged.get(period.customer_id, period.customer_id)

    def called(self, fact: ConversationFact) -> Party | None:
        """Returns the ids by which the customer of a fact is reached now. They differ from those of the fact if Meta
        reported that the customer left them later."""
        party = fact.becomes if isinstance(fact, CustomerIdentityChanged) else fact.customer
        if party is None or party.group_id is not None or fact.phone_number_id is None:
            return party
        ref = fact_ref(fact)
        wa_id = party.wa_id and self._later_name(phone_identity(fact.phone_number_id, party.wa_id), ref)
        user_id = party.user_id and self._later_name(IdentityKey(fact.phone_number_id, "u", party.user_id), ref)
        if wa_id is None and user_id is None:
            return party
        return party.model_copy(update={"wa_id": wa_id or party.wa_id, "user_id": user_id or party.user_id})

    def add(self, known: Iterable[Identity]) -> None:
        """Adds identities that are known, unless they are here already."""
        for period in known:
            periods = self._periods.setdefault(period.key, [])
            if not periods:
                periods.append(period)
            elif all(period.since != here.since for here in periods):
                periods.append(period)
                periods.sort(key=lambda p: p.since)

    def customers(self) -> dict[CustomerId, str]:
        """Returns the customers of all periods and those who lost one, each with the business number."""
        now = {p.customer_id: key.phone_number_id for key, periods in self._periods.items() for p in periods}
        return self._numbers_of_lost | now

    def _customer(self, key: IdentityKey, ref: FactRef) -> CustomerId:
        known = self._period(key, ref)
        if known is None:
            known = self._learn(Identity(key, customer_id(*key), ref.at))
        elif key.kind == "w" and ref.at - known.at > _CONFIRM_AFTER:
            known = self._learn(known._replace(at=ref.at))
        return known.customer_id

    def _with_phone(self, customer: CustomerId, user_id: str, phone: IdentityKey, ref: FactRef) -> CustomerId:
        at, known = ref.at, self._period(phone, ref)
        if known is not None and known.customer_id != customer and known.user_id is None:
            if any(p.customer_id == customer and p.since < known.since for p in self._periods[phone]):
                return customer  # who left the phone: it belongs to somebody else now
            customer = self._join(known.customer_id, customer)  # so far only the phone was seen: the same customer
            known = self._period(phone, ref)
        if known is None:
            self._learn(Identity(phone, customer, at, user_id))
        elif at - known.at > _CONFIRM_AFTER or (known.user_id != user_id and (known.user_id is None or at > known.at)):
            self._learn(known._replace(customer_id=customer, at=max(at, known.at), user_id=user_id))
        return customer

    def _begin_phone(self, change: CustomerIdentityChanged) -> None:
        """Makes the new phone's first owner known, so that a writer who sees the phone at the same moment has the same
        row to insert, and one waits for the other."""
        wa_id = change.becomes.wa_id
        key = wa_id and phone_identity(change.phone_number_id, wa_id)
        if key and all(period.since != ALWAYS for period in self._periods.get(key, ())):
            self._learn(Identity(key, customer_id(*key), change.at))

    def _user_of(self, change: CustomerIdentityChanged) -> str | None:
        """Returns the user id that the customer of a reported change has afterwards, if it is known."""
        if change.becomes.user_id or change.customer.user_id or change.customer.wa_id is None:
            return change.becomes.user_id or change.customer.user_id
        phone = phone_identity(change.phone_number_id, change.customer.wa_id)
        left = self._period(phone, just_before(fact_ref(change)))
        return left and left.user_id

    def _same_user(self, change: CustomerIdentityChanged) -> None:
        """Makes a new user id one of the customer's. Meta never gives a user id to somebody else, so both are
        the same customer."""
        number, ref, new_id = change.phone_number_id, fact_ref(change), change.becomes.user_id
        old = [
            (self._period(key, just_before(ref)), self._period(key, ref)) for key in keys_of(number, change.customer)
        ]
        customer = next((before.customer_id for before, _ in old if before is not None), None)
        is_repeat = any(at is not None and at.left_for is not None and self._is_repeat(at) for _, at in old)
        if new_id is None or customer is None or is_repeat:
            return
        key = IdentityKey(number, "u", new_id)
        known = self._period(key, ref)
        if known is None:
            self._learn(Identity(key, customer, change.at))
        elif known.customer_id != customer:
            self._join(known.customer_id, customer)

    def _join(self, one: CustomerId, other: CustomerId) -> CustomerId:
        """Joins two customers and returns the smaller id, which is used for both. Their conversations are not
        changed."""
        target, joined = min(one, other), max(one, other)
        self.merged = {source: target if into == joined else into for source, into in self.merged.items()}
        self.merged[joined] = target
        for identity in [p for periods in self._periods.values() for p in periods if p.customer_id == joined]:
            self._learn(identity._replace(customer_id=target))
        return target

    # periods

    def _period(self, key: IdentityKey, ref: FactRef) -> Identity | None:
        """Returns the period of an identity at a fact; None: unknown so far."""
        for period in reversed(self._periods.get(key, ())):
            if period.since is ALWAYS or period.since <= ref:
                return period
        return None

    def _learn(self, period: Identity) -> Identity:
        known = self._periods.setdefault(period.key, [])
        known[:] = sorted([*(p for p in known if p.since != period.since), period], key=lambda p: p.since)
        self.learned[period.key, period.since] = period
        return period

    def _later_name(self, key: IdentityKey, ref: FactRef) -> str | None:
        """Returns the phone or user id that the customer who had `key` at `ref` has now; None: still the same."""
        periods = self._periods.get(key, ())
        if len(periods) < 2:
            return None
        period = self._period(key, ref)
        for later in periods:
            if period is None or later.since <= ref:
                continue
            if later.left_for is not None:
                target = named_identity(key, later.left_for)
                return self._later_name(target, later.since) or later.left_for
            if later.customer_id != period.customer_id:
                break
        return None

    def _derive(self) -> None:
        """Derives the customers of all periods that reports began, the earliest first: each depends on earlier ones
        only. A phone with which a user id was seen since has the customer of that user."""
        reported = sorted(
            (p for periods in self._periods.values() for p in periods if p.since != ALWAYS), key=lambda p: p.since
        )
        left = {(named_identity(p.key, p.left_for), p.since): p.key for p in reported if p.left_for is not None}
        for period in reported:
            user = period.user_id and self._period(period.key._replace(kind="u", value=period.user_id), period.since)
            customer = user.customer_id if user else self._derived(period, left.get((period.key, period.since)))
            if customer is not None and customer != period.customer_id:
                self._learn(period._replace(customer_id=customer))

    def _derived(self, period: Identity, origin: IdentityKey | None) -> CustomerId | None:
        """Returns the customer of a period. `origin`: the phone that the customer left for this one."""
        before = just_before(period.since)
        if period.left_for is not None:
            known = self._period(period.key, before)
            is_repeat = known is not None and self._is_repeat(period)
            return known.customer_id if known is not None and is_repeat else successor(period.key, period.since)
        if origin is None:
            return None
        ended = next(p for p in self._periods[origin] if p.since == period.since)
        known = self._period(period.key if self._is_repeat(ended) else origin, before)
        return known and known.customer_id

    def _is_repeat(self, ended: Identity) -> bool:
        """Returns whether the report that ended a period is a repeat: Meta reports a change more than once, with other
        ids and times. Then nothing happened to both identities since the first report."""
        before = just_before(ended.since)
        left = self._period(ended.key, before)
        if left is None or left.left_for is None or left.left_for != ended.left_for:
            return False
        reached = self._period(named_identity(ended.key, left.left_for), before)
        return ended.key.kind == "u" or (reached is not None and left.since == reached.since)

    def _find_lost(self, before: Mapping[IdentityKey, Sequence[Identity]]) -> None:
        """Finds who lost an identity: the customers of `before` who are not the customers of the same time now."""
        for key, old in before.items():
            for period in self._periods[key]:
                had = next((p for p in reversed(old) if p.since <= period.since), None)
                if had is not None and had.customer_id != period.customer_id:
                    self._numbers_of_lost[had.customer_id] = key.phone_number_id
                    self.lost[had.customer_id] = min(period.since, self.lost.get(had.customer_id, period.since))
