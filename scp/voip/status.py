"""How a running brain is, in words, out of its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from scp.voip.reason import WORDS, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 5.0


class StatusError(Exception):
    """The brain can't be asked; says why."""


@final
class Status:
    """Samples of the metrics by name and the value of their label."""

    def __init__(self, text: str) -> None:
        self._samples: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name, "".join(sample.labels.values())] = sample.value

    def of(self, name: str, label: str = "") -> int:
        """Return the value of a sample, 0 if it is not there."""
        return int(self._samples.get((f"scp_voip_{name}", label), 0))

    def each(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield the values of a label that are not 0, with their samples."""
        for (sample, label), value in self._samples.items():
            if sample == f"scp_voip_{name}" and value:
                yield label, int(value)

    @property
    def linked(self) -> bool:
        """Whether a Kamailio asks this brain."""
        return any(True for _ in self.each("link_up"))


def read(url: str) -> Status:
    """Return what a brain's metrics say; raises `StatusError`."""
    try:
        answer = httpx.get(url, timeout=TIMEOUT, trust_env=False)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StatusError(f"{url}: {error}; is the brain running?") from None
    return Status(answer.text)


def described(status: Status) -> Iterator[str]:
    """Yield a line for each thing worth knowing; what is wrong says what to look at."""
    links = [name for name, _ in status.each("link_up")]
    yield (
        f"asked by Kamailio at {', '.join(links)}"
        if links
        else ("no Kamailio asks: calls are decided without this brain. Does it run, is sip.brain its evapi?")
    )
    yield f"{status.of('identities_bound')} of {status.of('identities')} identities have a device registered"
    for reason, count in status.each("calls_total"):
        yield f"{count} calls {reason}: {WORDS[Reason(reason)] if reason in WORDS else ''}".rstrip(": ")
    if failed := status.of("registrations_told_total", "failed"):
        yield f"the node did not take {failed} registrations: is the number authorized, the token right?"
    if failed := status.of("charging_total", "failed"):
        yield f"{failed} times the node did not say in time whether there are minutes: see its health"
    if unsettled := status.of("charging_total", "unsettled"):
        yield f"{unsettled} calls were not charged: reservations had expired or were settled otherwise"
    if refused := status.of("device_checks_total", "no"):
        yield f"{refused} times a device was refused: the log's lines `device refused` name it"
