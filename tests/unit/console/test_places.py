"""The address of the map with a place that a message names."""

import pytest

from console.media.shown import map_url


@pytest.mark.parametrize(
    ("latitude", "is_shown"),
    [(45.07, True), (-90, True), (90.1, False), (float("nan"), False), (float("inf"), False), (10**400, False)],
)
def test_only_a_place_on_earth_has_a_map(latitude: float, is_shown: bool) -> None:
    assert is_shown == bool(map_url({"location": {"latitude": latitude, "longitude": 7.68}}))
