"""The `campaigns` process: takes each campaign a step further (docs/design/campaigns.md). Any number may run: a
campaign is worked on under its lock, by one of them at a time.

Its time is the database's. Nothing is kept in memory: after a crash another process goes on where the last commit
stands. A campaign that fails by a defect is paused, and keeps no other from going on.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import Event as Flag
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog
from prometheus_client import Counter as Metric
from prometheus_client import Gauge
from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from consumers.changes.sends import SendChanges
from consumers.workers.campaigns.customers import freeze_customers
from consumers.workers.campaigns.defects import note_defect, pause_campaign
from consumers.workers.campaigns.ending import cancel_rest, end_posting, finish, has_to_post
from consumers.workers.campaigns.feeding import feed
from consumers.workers.campaigns.planning import plan
from consumers.workers.campaigns.watching import canary, watch
from consumers.workers.campaigns.waves import has_wave, retry_failed
from consumers.workers.worker_loop import WorkerLoop
from domain.campaigns.campaign import CAMPAIGN_STATES, Campaign, start_when_due
from domain.campaigns.canary import CanaryTerms
from domain.campaigns.plan.planning import PlanRules
from domain.sending.acceptance import SendingPolicy
from domain.topics import Topics
from infra.kafka.consumer import BrokerUnreachable
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.faults import database_answers, may_pass
from infra.postgres.sending import claims, sends
from infra.postgres.sending.sends import SendLogEntry
from infra.process.memory import collect_rarely

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.25
_AT_ONCE = 0.0

_WITHDRAWN = Metric("witiop_campaigns_withdrawn", "Messages of campaigns that were taken back from the sender.")
_AT_WORK = Gauge("witiop_campaigns_at_work", "Campaigns for which something may be done, by state.", ["state"])

log = structlog.get_logger("campaigns")


class CampaignTerms(NamedTuple):
    """How campaigns are planned and watched. `sending`: to whom anything is sent; `us_marketing`: whether marketing is
    sent to phones of the United States, to which Meta does not deliver it."""

    sending: SendingPolicy = SendingPolicy(enabled=True)
    us_marketing: bool = False
    canary: CanaryTerms = CanaryTerms()


DEFAULT_TERMS = CampaignTerms()


class CampaignWorker:
    """Works on campaigns until stopped. `transaction`: as for the consumers."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        terms: CampaignTerms = DEFAULT_TERMS,
    ) -> None:
        self._transaction = transaction
        self._topics = topics
        self._terms = terms
        self._at_rest: set[UUID] = set()
        """Campaigns that run and had nothing to send: quiet hours, or the first messages are judged. They need no share
        of what their number may send."""
        self._plan_rules = PlanRules(terms.sending.allows, terms.us_marketing)
        self._loop = WorkerLoop("campaigns", lambda _: self.poll())

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the process from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        collect_rarely()
        self._loop.run(stop)

    def poll(self) -> float:
        """Takes each campaign a step further; returns the seconds until the next poll. Raises BrokerUnreachable, and
        psycopg errors that may pass."""
        with self._transaction() as connection:
            found = campaigns.at_work(connection)
        running = {each.id: each.phone_number_id for each in found if each.state == "running"}
        self._at_rest &= running.keys()
        sharing = Counter(number for id_, number in running.items() if id_ not in self._at_rest)
        states = Counter(each.state for each in found)
        for state in CAMPAIGN_STATES:
            _AT_WORK.labels(state).set(states[state])
        seconds, postponed = _IDLE_SECONDS, None
        for campaign in found:
            try:
                seconds = min(seconds, self._step(campaign, sharing[campaign.phone_number_id]))
            except BrokerUnreachable:
                raise
            except Exception as error:
                if isinstance(error, psycopg.Error) and may_pass(error):
                    if not database_answers(error):
                        raise
                    postponed = error  # the others do not wait for it
                    log.warning("campaign.postponed", campaign_id=str(campaign.id), error=type(error).__name__)
                    continue
                note_defect(error, campaign_id=str(campaign.id), state=campaign.state)
                pause_campaign(self._transaction, self._topics, campaign.id, error)
            self._loop.reached()
        if postponed is not None:
            raise postponed
        return seconds

    def _step(self, found: Campaign, sharing: int) -> float:
        """Takes a campaign a step further; returns the seconds until the next one. `sharing`: so many that have
        something to send share its number."""
        match found.state:
            case "importing" if "customers" in found.source:
                return self._locked(found, self._freeze)
            case "planning":
                return self._locked(found, self._plan)
            case "scheduled":
                return self._locked(found, self._start)
            case "running":
                return self._locked(found, partial(self._run, sharing))
            case "paused":
                self._withdraw(found)
                return self._locked(found, self._wave) if has_wave(found) else _IDLE_SECONDS
            case "finishing":
                return self._locked(found, self._finish)
            case "cancelled":
                self._withdraw(found)
                return self._locked(found, self._cancel)
            case _:
                return _IDLE_SECONDS

    def _locked(self, found: Campaign, step: Callable[[Connection[Any], Campaign, datetime], float]) -> float:
        """Takes a step in one transaction under the campaign's lock, unless another process has it or the campaign has
        another state by now."""
        with self._transaction() as connection:
            campaign = campaigns.lock_free(connection, found.id)
            if campaign is None or campaign.state != found.state:
                return _IDLE_SECONDS
            return step(connection, campaign, database_now(connection))

    def _freeze(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        freeze_customers(connection, self._topics, campaign, now)
        return _AT_ONCE

    def _plan(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        plan(connection, self._topics, campaign, self._plan_rules, now)
        return _AT_ONCE

    def _start(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        started = change_campaign(connection, self._topics, campaign, start_when_due(campaign, now), now)
        return _AT_ONCE if started.state == "running" else _IDLE_SECONDS

    def _run(self, sharing: int, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        counts = counts_of(connection, campaign.id)
        campaign = watch(connection, self._topics, campaign, counts, now)
        if campaign.state == "running" and has_wave(campaign):
            campaign = retry_failed(connection, self._topics, campaign, now)
        elif campaign.state == "running" and not has_to_post(counts):
            campaign = end_posting(connection, self._topics, campaign, now)
        if campaign.state != "running":
            return _AT_ONCE
        campaign, most = canary(connection, self._topics, campaign, counts, self._terms.canary, now)
        if campaign.state != "running":
            return _AT_ONCE
        templates = campaigns.templates_of(connection, campaign)
        per_second = claims.rate_of(connection, campaign.phone_number_id)
        waiting = feed(connection, campaign, templates, now, per_second, max(1, sharing), most)
        (self._at_rest.discard if waiting else self._at_rest.add)(campaign.id)
        return _AT_ONCE if has_wave(campaign) else _BUSY_SECONDS

    def _wave(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        retry_failed(connection, self._topics, campaign, now)
        return _AT_ONCE

    def _finish(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        finish(connection, self._topics, campaign, now)
        return _IDLE_SECONDS

    def _cancel(self, connection: Connection[Any], campaign: Campaign, now: datetime) -> float:
        return _AT_ONCE if cancel_rest(connection, self._topics, campaign, now) else _IDLE_SECONDS

    def _withdraw(self, found: Campaign) -> None:
        """Takes back what waits at the sender of a campaign that is not running."""
        with self._transaction() as connection:
            waiting = sends.to_withdraw(connection, found.id)
            if not waiting:
                return
            changes = SendChanges(connection, self._topics, waiting)
            now = database_now(connection)
            for send in list(changes.sends.values()):
                if send.state == "queued":
                    entry = SendLogEntry(now, send.attempt, "recalled", "campaigns")
                    changes.change(replace(send, state="recalled"), entry)
                    _WITHDRAWN.inc()
            changes.write()
