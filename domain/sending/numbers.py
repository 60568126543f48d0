"""Business numbers as Meta reports them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphNumber:
    """A number as Meta reports it. `throughput`: messages a second; `people_per_day`: whom templates may reach outside
    a window; None: unlimited or unknown."""

    phone_number_id: str
    display: str
    name: str
    quality: str
    throughput: int
    people_per_day: int | None
