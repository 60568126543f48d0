"""The installation that a command uses: a development stack on this machine, or the one in the environment."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from witiop.dev.stack_file import FILE_NAME, Stack
from witiop.exit_codes import CommandFailed

if TYPE_CHECKING:  # pydantic is slow to import: `--help` and shell completion do without
    from witiop.settings import Settings

DEFAULT_STACK = Path(".witiop/dev")


@dataclass(frozen=True)
class Installation:
    """The object that commands receive as `ctx.obj`. Files and the environment are read on first use.

    `directory` is the data directory of a development stack, None for the environment.
    """

    directory: Path | None

    @cached_property
    def stack(self) -> Stack | None:
        """The running stack, None for the environment.

        Raises:
            CommandFailed: no stack is running in the directory.
        """
        if self.directory is None:
            return None
        stack = running_stack(self.directory)
        if stack is None:
            start = f"start one with witiop dev --data {self.directory}"
            raise CommandFailed(f"no stack is running in {self.directory}: {start}", "stack_not_running")
        return stack

    def settings(self, *needed: str) -> "Settings":
        """Returns the settings. Those of a stack override the environment.

        Raises:
            SettingsError: a field of `needed` is not set, or a setting is invalid.
            CommandFailed: no stack is running in the directory.
        """
        from witiop.settings import load

        return load(*needed, **(_settings_of(self.stack) if self.stack else {}))

    @property
    def postgres_dsn(self) -> str:
        """Connection string of the database, with its password: not for logs. Raises as `settings` does."""
        return self.settings("postgres_dsn").postgres_dsn.get_secret_value()

    def now(self) -> datetime:
        """Returns the time that commands bear: the database's, by which they are judged. Without a database that can be
        reached, the time of this machine. Raises as `settings` does."""
        import psycopg

        from infra.postgres.connections.clock import database_now
        from infra.postgres.connections.pool import connect

        if dsn := self.settings().postgres_dsn.get_secret_value():
            try:
                with connect(dsn, "cli", autocommit=True) as connection:
                    return database_now(connection)
            except psycopg.OperationalError:
                pass  # a command may be published while the database is away
        return datetime.now(UTC)


def running_stack(directory: Path) -> Stack | None:
    """Returns the stack of this data directory, None unless one of its processes is running.

    The file alone proves nothing: a crash leaves it behind.
    """
    try:
        written_at = (directory / FILE_NAME).stat().st_mtime
        stack = Stack.read(directory)
    except FileNotFoundError:
        return None
    running = stack and any(_is_running(pid, written_at) for pids in stack.pids.values() for pid in pids)
    return stack if running else None


def _is_running(pid: int, written_at: float) -> bool:
    """Returns whether the process that had this id when the file was written is still running.

    The start time is compared because process ids are reused.
    """
    import psutil  # installed together with the servers of the stack

    try:
        process = psutil.Process(pid)
        return process.create_time() <= written_at and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _settings_of(stack: Stack) -> dict[str, object]:
    return {
        "kafka_bootstrap_servers": stack.kafka_bootstrap,
        "kafka_security_protocol": "PLAINTEXT",
        "kafka_topic_prefix": "",
        "kafka_replication_factor": stack.copies,
        "postgres_dsn": stack.postgres_dsn,
        "whatsapp_app_secrets": stack.whatsapp_app_secret,
        "whatsapp_verify_token": stack.whatsapp_verify_token,
        "softbot_secrets": stack.softbot_secret,
        "agents_secrets": stack.agents_secret,
        "command_secrets": stack.command_secret,
        "webhook_url": stack.webhook_url,
        **(_ses(stack.ses_endpoint) if stack.ses_endpoint else {}),
    }


def _ses(endpoint: str) -> dict[str, object]:
    from infra.local.ses import BUCKET, CONFIGURATION_SET, KEY, REGION, SENDER, TOPIC_ARN

    return {
        "ses_endpoint": endpoint,
        "ses_region": REGION,
        "ses_sender": SENDER,
        "ses_configuration_set": CONFIGURATION_SET,
        "ses_topic_arns": TOPIC_ARN,
        "media_bucket": BUCKET,
        "media_region": REGION,
        "media_endpoint": endpoint,
        "media_access_key_id": KEY[0],
        "media_secret_access_key": KEY[1],
        "ses_access_key_id": KEY[0],
        "ses_secret_access_key": KEY[1],
    }
