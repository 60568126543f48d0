"""The country of a phone and its time zone."""

import pytest

from infra.phones.countries import calling_codes_of, country_of, zone_of


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("393471234567", "IT"),
        ("4915112345678", "DE"),
        ("12025550123", "US"),
        ("14165550123", "CA"),
        ("18095551234", "DO"),
        ("447700900123", "GB"),
        ("447797123456", "JE"),
        ("77011234567", "KZ"),
        ("79161234567", "RU"),
        ("5511987654321", "BR"),
        ("8821612345", ""),  # a satellite
        ("39", "IT"),
        ("999", ""),
    ],
)
def test_the_country_of_a_phone(phone: str, country: str) -> None:
    assert country == country_of("phone", phone)


def test_a_user_id_begins_with_its_country() -> None:
    assert ("US", "") == (country_of("user_id", "US.1349"), country_of("user_id", "1349"))


@pytest.mark.parametrize(
    ("country", "zone"),
    [("IT", "Europe/Rome"), ("DE", "Europe/Berlin"), ("IN", "Asia/Kolkata"), ("US", None), ("ES", None), ("XX", None)],
)
def test_a_country_has_a_zone_if_all_its_clocks_agree(country: str, zone: str | None) -> None:
    assert zone == zone_of(country)


def test_the_calling_codes_of_a_language() -> None:
    assert {"39", "41"} <= set(calling_codes_of("it"))
    assert calling_codes_of("it") == calling_codes_of("it_IT")
    assert "39" not in calling_codes_of("de")
