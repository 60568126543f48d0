"""Entry point of the command line. Every error ends in a one-line message and an exit code, never in a traceback."""

import io
import json
import signal
import sys
import traceback
from collections.abc import Sequence

_REPLACED_ON_SIGHUP = {"webhook", "console"}
"""The processes that read the files of their secrets again."""


def main() -> None:
    """Runs the command in `sys.argv` and exits with its code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and _REPLACED_ON_SIGHUP.intersection(arguments):
        # it would end a process that does not serve yet; `infra.serving.server` lets it through
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code."""
    import click

    from witiop.cli.main import witiop
    from witiop.exit_codes import INTERRUPTED, NOT_REACHABLE, WRONG_USAGE, ending

    if isinstance(sys.stdout, io.TextIOWrapper):  # an encoding with few characters shows ? for the others
        sys.stdout.reconfigure(errors="replace")
    reason = None
    try:
        result = witiop.main([*arguments], prog_name="witiop", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        code, reason = error.exit_code, "wrong_usage"
    except (click.Abort, KeyboardInterrupt) as error:
        code = INTERRUPTED
        if isinstance(error.__context__, EOFError):
            click.echo("witiop: the standard input has no answer; --help names the option that gives it", err=True)
            code, reason = WRONG_USAGE, "not_answered"
    except Exception as error:  # the last handler: beyond it a person would see a traceback
        end = ending(error)
        for line in end.line.splitlines():
            click.echo(f"witiop: {line}", err=True)
        code, reason = end.code, end.reason
        from witiop.settings import is_debugging  # imports pydantic, which is slow

        if is_debugging():
            traceback.print_exc()
    if reason is not None and "--json" in arguments:
        outcome = "unknown" if code == NOT_REACHABLE else "rejected"
        try:
            click.echo(json.dumps({"outcome": outcome, "reason": reason}))
        except OSError:  # a pipe that nobody reads any more, a full disk: there is nobody to tell
            sys.stdout = io.StringIO()
    return code


if __name__ == "__main__":
    main()
