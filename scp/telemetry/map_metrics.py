"""What is counted of MAP: enquiries, places, and what VLRs tell."""

from __future__ import annotations

from typing import final

from scp.telemetry import catalogue as c
from scp.telemetry import label_values as v
from scp.telemetry.histogram import Histogram
from scp.telemetry.label_values import OTHER


@final
class MapCounts:
    """`scp.map_ports.MapTelemetry`.

    Attributes:
        enquiries: by operation, then by outcome.
        seconds: that enquiries took.
        places: by result.
        events: by event, then by result.
    """

    def __init__(self) -> None:
        self.enquiries = {each: dict.fromkeys(v.ENQUIRY_OUTCOMES, 0) for each in v.ENQUIRY_OPERATIONS}
        self.seconds = Histogram(c.ENQUIRY.buckets)
        self.places = dict.fromkeys(v.PLACE_RESULTS, 0)
        self.events = {each: dict.fromkeys(v.MOBILITY_RESULTS, 0) for each in v.MOBILITY_EVENTS}

    def enquiry(self, operation: str, outcome: str, seconds: float) -> None:
        """An enquiry is over."""
        self.enquiries[operation if operation in self.enquiries else OTHER][outcome] += 1
        self.seconds.observe(seconds)

    def located(self, result: str) -> None:
        """A service asked for a place."""
        self.places[result if result in self.places else OTHER] += 1

    def mobility(self, event: str, result: str) -> None:
        """A VLR or HLR told something."""
        self.events[event if event in self.events else OTHER][result] += 1
