"""Runs a process with logging, signal handling and its monitor."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from infra.process import logging
from infra.process.crash_points import arm_crash_point
from infra.process.metrics import shared_between_processes
from infra.process.readiness import not_ready_reason_at
from witiop.exit_codes import SettingsError
from witiop.settings import Settings, with_files_read_again

if TYPE_CHECKING:
    from infra.process.monitor import ReadinessCheck
    from infra.serving.worker import ServedApp

log = structlog.get_logger(__name__)


def prepare(settings: Settings, process: str) -> None:
    """Configures logging and arms the crash point. Called first in every process, also in forked ones."""
    logging.configure(settings.log_level)
    logging.log_lost_exceptions()
    structlog.contextvars.bind_contextvars(process=process)
    arm_crash_point(settings.crash_at)


def run_worker(settings: Settings, run: Callable[[threading.Event], None], not_ready_reason: "ReadinessCheck") -> None:
    """Runs a worker with its monitor on the main thread, until SIGTERM or SIGINT sets the event passed to `run`."""
    from infra.process.monitor import monitor

    with (
        _stopped_by_signals() as stop,
        monitor(settings.monitor_host, settings.monitor_port, {"worker": not_ready_reason}),
    ):
        run(stop)


@contextmanager
def supervisor_monitor(name: str, settings: Settings, host: str, port: int) -> Iterator[None]:
    """Runs the monitor of a process whose workers answer at this address. Adds up the workers' metrics."""
    with shared_between_processes() as registry:
        from infra.process.monitor import monitor

        checks = {name: partial(not_ready_reason_at, host, port)}
        with monitor(settings.monitor_host, settings.monitor_port, checks, registry):
            yield


def renewing(
    settings: Settings, make: "Callable[[Settings], ServedApp]"
) -> "Callable[[], Callable[[], ServedApp] | None]":
    """Returns what makes the workers that replace others: with the secrets as their files are then. None instead of
    workers if that cannot be: the log says why, and the ones before go on."""

    def renewed() -> "Callable[[], ServedApp] | None":
        try:
            return partial(make, with_files_read_again(settings))
        except SettingsError as error:
            log.error("settings.not_read_again", problems=str(error).splitlines())
            return None

    return renewed


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
