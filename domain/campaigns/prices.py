"""Meta's prices, which an administrator imports, and what a campaign costs by them (docs/design/campaigns.md,
*Budget*)."""

import csv
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

ALL_OTHERS = "*"
"""Stands for every country that has no price of its own."""

_COLUMNS = ("country", "category", "currency", "price", "valid_from")
_FORMS = {
    "country": re.compile(r"[A-Z]{2}|\*"),
    "category": re.compile(r"marketing|utility|authentication|authentication_international|service"),
    "currency": re.compile(r"[A-Z]{3}"),
}
_HIGHEST = Decimal(1000)


class Price(NamedTuple):
    """What Meta charges for a message to a country (ISO 3166, or `*`) from a day on."""

    country: str
    category: str
    currency: str
    price: Decimal
    valid_from: date


class Cost(NamedTuple):
    """What messages cost. `amounts`: currency -> money; `unpriced`: messages for which no price is known."""

    amounts: dict[str, Decimal]
    unpriced: int


class WrongPrices(Exception):
    """A file of prices cannot be used. The message names the line and says what would be right."""


def read_prices(lines: Iterable[str]) -> list[Price]:
    """Returns the prices of a CSV file with the columns country, category, currency, price and valid_from. Raises
    WrongPrices."""
    rows = csv.DictReader(lines)
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise WrongPrices(f"line 1: the column {missing[0]} is missing; needed are {', '.join(_COLUMNS)}")
    return [_price({name: (row[name] or "").strip() for name in _COLUMNS}, rows.line_num) for row in rows]


def _price(row: dict[str, str], line: int) -> Price:
    row["country"], row["currency"] = row["country"].upper(), row["currency"].upper()
    row["category"] = row["category"].lower()
    for name, form in _FORMS.items():
        if not form.fullmatch(row[name]):
            raise WrongPrices(f"line {line}: {name}: {row[name]!r} is none")
    try:
        price = Decimal(row["price"])
        valid_from = date.fromisoformat(row["valid_from"])
    except InvalidOperation:
        raise WrongPrices(f"line {line}: price: must be a number with a point, e.g. 0.0572") from None
    except ValueError:
        raise WrongPrices(f"line {line}: valid_from: must be a day, e.g. 2026-01-01") from None
    if not (price.is_finite() and 0 <= price < _HIGHEST):
        raise WrongPrices(f"line {line}: price: must be from 0 to {_HIGHEST}")
    return Price(row["country"], row["category"], row["currency"], price, valid_from)


def cost(prices: Iterable[Price], messages: Iterable[tuple[str, str, int]], day: date) -> Cost:
    """Returns what messages cost that are sent on a day. `messages`: country, category and how many."""
    valid: dict[tuple[str, str], Price] = {}
    for price in sorted(prices, key=lambda each: each.valid_from):
        if price.valid_from <= day:
            valid[price.country, price.category] = price
    amounts: dict[str, Decimal] = {}
    unpriced = 0
    for country, category, n in messages:
        price_ = valid.get((country, category)) or valid.get((ALL_OTHERS, category))
        if price_ is None:
            unpriced += n
        else:
            amounts[price_.currency] = amounts.get(price_.currency, Decimal(0)) + price_.price * n
    return Cost(amounts, unpriced)
