"""What an alarm says, in the language of the page."""

from console.request import translated
from domain.alarms.kinds import AlarmDetails, AlarmKind
from domain.alarms.problems import problem_text
from domain.alarms.texts import AlarmWords, say


def said(kind: AlarmKind, details: AlarmDetails) -> AlarmWords:
    """What is wrong, and what to do about it."""
    return say(kind, details, translated)


def problem_said(problem: str) -> str:
    """Why a channel could not be told."""
    text, values = problem_text(problem)
    return translated(text) % values if values else translated(text)
