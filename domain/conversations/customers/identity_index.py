"""The identities that a batch needs: whose a phone or user id is at a fact, and what Meta's reports change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

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

_FIRST = FactRef(datetime(1970, 1, 2, tzinfo=UTC), 0, ALWAYS.fact)
"""Before all facts, and later than the beginning of the calendar by more than a window."""


class IdentityIndex:
    """The identities that a batch needs, and the changes that the batch makes to them.

    `learned`: periods that are new or changed; `merged`: customer -> the customer it was joined into; `lost`: customers
    who lost an identity to another one, with the reference of the first fact that this can concern. The id of a new
    customer follows from its first key, so two workers that see the customer first agree on the id."""

    def __init__(self, known: Iterable[Identity]) -> None:
        self._periods: dict[IdentityKey, list[Identity]] = {}
        self._reports: set[FactRef] = set()
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
        for key in [key for key in self._periods if key.kind == "w"]:
            self._move_users(key)
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
        if with_phone is not None and self._period(first, ref) is None and self._awaits_user(with_phone):
            self._learn(Identity(first, with_phone.customer_id, ref.at))
            self._learn(with_phone._replace(at=max(ref.at, with_phone.at), user_id=first.value))
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
            self._note_report(period)
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
        elif (key.kind == "w" and ref.at - known.at > _CONFIRM_AFTER) or (key.kind == "u" and ref.at < known.at):
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
        elif known.user_id is not None and (known.customer_id != customer or self._is_confirmed(known, user_id)):
            self._begin_user(known, customer, user_id, ref)
        elif at - known.at > _CONFIRM_AFTER or (known.user_id != user_id and (known.user_id is None or at > known.at)):
            self._learn(known._replace(customer_id=customer, at=max(at, known.at), user_id=user_id))
        return customer

    def _begin_user(self, known: Identity, customer: CustomerId, user_id: str, ref: FactRef) -> None:
        """Begins a period of a phone, within the `known` one, with the message by which another user id was seen with
        it: who had the phone before stays known. If the message is older than all with the known user id, the known
        period begins later instead. None is needed if the next period, which a message began, is that user's
        already."""
        user = self._user_with(known) if known.since == ALWAYS else None
        following = next((p for p in self._periods[known.key] if p.since > ref), None)
        is_begun = following is not None and following.user_id == user_id and following.since not in self._reports
        if ref.at > known.at and ref > known.since:
            if not is_begun:
                self._learn(Identity(known.key, customer, ref.at, user_id, ref))
        elif user is not None and ref.at < user.at and (following is None or user.at < following.since.at):
            self._learn(known._replace(since=FactRef(user.at, 0, ref.fact)))
            self._learn(Identity(known.key, customer, ref.at, user_id))

    def _is_confirmed(self, period: Identity, user_id: str) -> bool:
        """Returns whether a message shows that a customer who came to a phone kept their user id."""
        return period.user_id == user_id and self._awaits_user(period)

    def _awaits_user(self, period: Identity) -> bool:
        """Returns whether the next user id that is seen with a phone is that of its customer: none was, or only the one
        that they had before they came to this phone. With a phone, Meta gives a customer another user id."""
        if period.user_id is None:
            return True
        if period.left_for is not None or period.since not in self._reports:
            return False
        user = self._user_with(period)
        return user is not None and user.at < period.since.at

    def _begin_phone(self, change: CustomerIdentityChanged) -> None:
        """Makes the new phone's first owner known, so that a writer who sees the phone at the same moment has the same
        row to insert, and one waits for the other."""
        wa_id = change.becomes.wa_id
        key = wa_id and phone_identity(change.phone_number_id, wa_id)
        if key and all(period.since != ALWAYS for period in self._periods.get(key, ())):
            self._learn(Identity(key, customer_id(*key), change.at))

    def _user_of(self, change: CustomerIdentityChanged) -> str | None:
        """Returns the user id that the customer of a reported change has afterwards; if Meta does not say, the one that
        they had before, as long as no other one is seen with the new phone. None: not known."""
        if change.becomes.user_id or change.customer.wa_id is None:
            return change.becomes.user_id or change.customer.user_id
        phone = phone_identity(change.phone_number_id, change.customer.wa_id)
        left = self._period(phone, just_before(fact_ref(change)))
        had = change.customer.user_id or (left and left.user_id)
        user = had and self._period(phone._replace(kind="u", value=had), ALWAYS)
        return user.key.value if user and user.at < change.at else None

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

    def _move_users(self, phone: IdentityKey) -> None:
        """Gives the user ids that were first seen with a phone after it changed hands to who had it by then: the change
        was told after the messages that followed it."""
        for period in list(self._periods[phone]):
            user = self._user_with(period)
            if user is None or user.customer_id != period.customer_id:
                continue
            then = next(p for p in reversed(self._periods[phone]) if p is period or p.since.at < user.at)
            if then is period or then.since not in self._reports:
                continue
            own = customer_id(*user.key)
            before = customer_id(*phone) if period.customer_id == own else period.customer_id
            self._learn(period._replace(customer_id=before, user_id=None))
            awaits = self._awaits_user(then)
            self._learn(user._replace(customer_id=then.customer_id if awaits else own))
            if awaits:
                self._learn(then._replace(user_id=period.user_id, at=max(then.at, user.at)))
        for period, following in pairwise(list(self._periods[phone])):
            # who was seen with a user id on a phone that its customer had left is who came to it
            is_left = period.left_for is not None and period.user_id is None
            if is_left and following.since not in self._reports:
                self._learn(period._replace(user_id=following.user_id))

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

    def _reported_period(self, key: IdentityKey, ref: FactRef) -> Identity | None:
        """Returns the same, without the periods that messages began."""
        for period in reversed(self._periods.get(key, ())):
            if period.since is ALWAYS or (period.since <= ref and period.since in self._reports):
                return period
        return None

    def _learn(self, period: Identity) -> Identity:
        self._note_report(period)
        known = self._periods.setdefault(period.key, [])
        known[:] = sorted([*(p for p in known if p.since != period.since), period], key=lambda p: p.since)
        self.learned[period.key, period.since] = period
        return period

    def _note_report(self, period: Identity) -> None:
        if period.left_for is not None:
            self._reports.add(period.since)

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
        """Derives the customers of all periods but the first, the earliest first: each depends on earlier ones only. A
        phone has the customer of the user id that it has, unless that is the customer's only because of the phone."""
        reported = sorted(
            (p for periods in self._periods.values() for p in periods if p.since != ALWAYS), key=lambda p: p.since
        )
        left = {(named_identity(p.key, p.left_for), p.since): p.key for p in reported if p.left_for is not None}
        for begun in reported:
            origin = left.get((begun.key, begun.since))
            period = self._checked(begun, origin)
            user = self._user_with(period)
            follows = user is not None and self._follows(user, period)
            customer = user.customer_id if user is not None and not follows else self._derived(period, origin)
            if customer is not None and customer != period.customer_id:
                self._learn(period._replace(customer_id=customer))
                if user is not None and follows:
                    self._learn(user._replace(customer_id=customer))

    def _checked(self, period: Identity, origin: IdentityKey | None) -> Identity:
        """Returns a period without a user id that is of somebody else: if a report was repeated, that is who came to
        the old phone meanwhile."""
        if origin is None or not self._is_repeat(self._ended(origin, period.since)):
            return period
        user, before = self._user_with(period), self._period(period.key, just_before(period.since))
        if user is None or (before is not None and before.customer_id == user.customer_id):
            return period
        return self._learn(period._replace(user_id=None))

    def _ended(self, origin: IdentityKey, since: FactRef) -> Identity:
        """Returns the period of a phone that began when its customer left it."""
        return next(p for p in self._periods[origin] if p.since == since)

    def _user_with(self, period: Identity) -> Identity | None:
        """Returns the user id that was seen with a phone last; None: not known."""
        return (
            self._period(period.key._replace(kind="u", value=period.user_id), period.since) if period.user_id else None
        )

    def _follows(self, user: Identity, period: Identity) -> bool:
        """Returns whether a user id is the customer's of a phone because it was first seen with the phone then."""
        is_taken = user.customer_id == period.customer_id != customer_id(*user.key)
        return is_taken and period.since in self._reports and user.at > period.since.at

    def _derived(self, period: Identity, origin: IdentityKey | None) -> CustomerId | None:
        """Returns the customer of a period. `origin`: the phone that the customer left for this one."""
        before = just_before(period.since)
        if period.left_for is not None:
            known = self._period(period.key, before)
            is_repeat = known is not None and self._is_repeat(period)
            return known.customer_id if known is not None and is_repeat else successor(period.key, period.since)
        if origin is None:
            return None
        ended = self._ended(origin, period.since)
        known = self._period(period.key if self._is_repeat(ended) else origin, before)
        return known and known.customer_id

    def _is_repeat(self, ended: Identity) -> bool:
        """Returns whether the report that ended a period is a repeat: Meta reports a change more than once, with other
        ids and times. Then nothing happened to both identities since the first report."""
        before = just_before(ended.since)
        left = self._reported_period(ended.key, before)
        if left is None or left.left_for is None or left.left_for != ended.left_for:
            return False
        reached = self._reported_period(named_identity(ended.key, left.left_for), before)
        return ended.key.kind == "u" or (reached is not None and left.since == reached.since)

    def _find_lost(self, before: Mapping[IdentityKey, Sequence[Identity]]) -> None:
        """Finds who lost an identity: the customers of `before` who are not the customers of the same time now."""
        for key, old in before.items():
            for period in self._periods[key]:
                had = next((p for p in reversed(old) if p.since <= period.since), None)
                if had is not None and had.customer_id != period.customer_id:
                    since = max(period.since, _FIRST if key.kind == "w" else FactRef(period.at, 0, ALWAYS.fact))
                    self._numbers_of_lost[had.customer_id] = key.phone_number_id
                    self.lost[had.customer_id] = min(since, self.lost.get(had.customer_id, since))
