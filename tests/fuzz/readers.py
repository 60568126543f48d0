"""Fuzzes one reader with atheris (libFuzzer): bytes that reach new lines of our code are kept and changed further.

`python -m tests.fuzz.readers NAME CORPUS OPTION...`; the options are libFuzzer's.
"""

import json
import random
import sys
from importlib import import_module
from typing import Any

from tests.support.hostile import places, spliced


def main(name: str, options: list[str]) -> None:
    """Fuzzes until the time is over. Ends the process with the exit code of libFuzzer: not 0 after a finding."""
    atheris: Any = import_module("atheris")  # installed by `make fuzz` only
    with atheris.instrument_imports(include=["domain", "infra"]):
        targets: Any = import_module("tests.fuzz.targets")
    target, tokens = targets.TARGETS[name], targets.TOKENS

    def change(content: bytes, most: int, seed: int) -> bytes:
        """Puts a hostile value in the place of one of a JSON document's, every other time; else changes bytes."""
        chance = random.Random(seed)
        if chance.random() < 0.5 and (found := _document(content)) is not None:
            before, document = found
            place = chance.choice(list(places(document)))
            changed = before + spliced(document, place, chance.choice(tokens))
            if len(changed) <= most:
                return changed
        changed = atheris.Mutate(content, most)
        return bytes(changed)

    atheris.Setup([sys.argv[0], *options], target.run, custom_mutator=change)
    atheris.Fuzz()


def _document(content: bytes) -> tuple[bytes, Any] | None:
    """Returns the JSON document at the end of an input, and what is before it."""
    for start in (0, 1, content.find(b"\n") + 1):
        try:
            return content[:start], json.loads(content[start:])
        except (ValueError, RecursionError):
            continue
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
