"""Types of options that are numbers."""

import math

import click


class FiniteRange(click.FloatRange):
    """A number within bounds. `nan` is none: it is neither below nor above them."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number
