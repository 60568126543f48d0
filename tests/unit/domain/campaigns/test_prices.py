"""Meta's prices, and what a campaign costs by them."""

from datetime import date
from decimal import Decimal

import pytest

from domain.campaigns.prices import Cost, Price, WrongPrices, cost, read_prices

HEAD = "country,category,currency,price,valid_from"
DAY = date(2026, 12, 1)


def test_the_price_of_the_day_counts_and_a_star_stands_for_all_other_countries() -> None:
    prices = read_prices(
        [
            HEAD,
            "it,Marketing,eur,0.0572,2026-01-01",
            "IT,marketing,EUR,0.06,2026-11-01",
            "IT,marketing,EUR,9,2027-01-01",
            "*,marketing,EUR,0.02,2026-01-01",
            "*,utility,USD,0.01,2026-01-01",
        ]
    )
    assert Price("IT", "marketing", "EUR", Decimal("0.0572"), date(2026, 1, 1)) == prices[0]
    messages = [("IT", "marketing", 100), ("DE", "marketing", 10), ("", "utility", 5), ("IT", "service", 3)]
    assert Cost({"EUR": Decimal("6.20"), "USD": Decimal("0.05")}, 3) == cost(prices, messages, DAY)
    assert Cost({}, 118) == cost(prices, messages, date(2025, 1, 1))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["country,category,currency,price"], "line 1: the column valid_from is missing"),
        ([HEAD, "Italy,marketing,EUR,1,2026-01-01"], "line 2: country: 'ITALY' is none"),
        ([HEAD, "IT,adverts,EUR,1,2026-01-01"], "line 2: category: 'adverts' is none"),
        ([HEAD, "IT,marketing,EUR,1,2026-01-01", "IT,marketing,€,1,2026-01-01"], "line 3: currency: '€' is none"),
        ([HEAD, 'IT,marketing,EUR,"0,05",2026-01-01'], "line 2: price: must be a number with a point"),
        ([HEAD, "IT,marketing,EUR,NaN,2026-01-01"], "line 2: price: must be from 0 to 1000"),
        ([HEAD, "IT,marketing,EUR,-1,2026-01-01"], "line 2: price: must be from 0 to 1000"),
        ([HEAD, "IT,marketing,EUR,1,1.1.2026"], "line 2: valid_from: must be a day"),
        ([HEAD, "IT,marketing"], "line 2: currency: '' is none"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(WrongPrices, match=f"^{message}"):
        read_prices(lines)
