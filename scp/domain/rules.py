"""The operator's rules for steering: the marked number, and what a call gets where the store fails."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from scp.domain.numbers import Nature, Numbering

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.subscriber import Subscriber

# CAP CalledPartyNumber (29.078, cAPSpecificBoundSet): 18 octets, 16 for address signals; one is left for ST.
MAX_DIGITS: Final = 31


class DigitsPolicy(StrEnum):
    """Which form of the called number is marked."""

    AS_DIALLED = "as-dialled"
    INTERNATIONAL = "international"  # E.164 digits without prefix
    NATIONAL = "national"  # national (significant) number; E.164 digits where the number is another country's


class NaturePolicy(StrEnum):
    """Which nature the marked number goes out with."""

    KEEP = "keep"  # the called number's own
    UNKNOWN = "unknown"
    NATIONAL = "national"  # international where `DigitsPolicy.NATIONAL` had to leave E.164 digits
    INTERNATIONAL = "international"
    NETWORK_SPECIFIC = "network-specific"


class OnFailure(StrEnum):
    """What a call gets when the store can't say."""

    CONTINUE = "continue"
    RELEASE = "release"


MAX_REDIRECTIONS: Final = 5
"""The redirection counter's highest value (Q.763 §3.45)."""

Redirections: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_REDIRECTIONS)]
Mark: TypeAlias = Annotated[
    str, Meta(pattern="^[0-9A*#DE]*$", max_length=16, description="up to 16 digits (or *, #, A, D, E)")
]


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's rules for steering.

    Attributes:
        numbering: the home numbering plan.
        prefix: what marks a number for the gateway, in front of it. Beside decimal digits it may have the
            address signals ``*`` (code 11), ``#`` (code 12), ``A``, ``D`` and ``E`` (spare) of Q.763 §3.9.
            A number that begins so counts as marked: where national numbers are dialled without prefix,
            choose one that none of them begins with.
        suffix: the same, behind it. A number that happens to end so counts as marked: choose one that no
            number ends in.
        digits: which form of the called number is marked.
        nature: which nature the marked number goes out with.
        on_failure: what a call gets when the store can't say.
        max_redirections: a call that was diverted so often goes on unchanged: 1 steers no diverted call, 5
            is the most that the redirection counter counts (Q.763 §3.45).

    Raises:
        ValueError: neither or both of prefix and suffix, or a prefix that unmarked numbers begin with.
    """

    numbering: Numbering
    prefix: Mark = ""
    suffix: Mark = ""
    digits: DigitsPolicy = DigitsPolicy.AS_DIALLED
    nature: NaturePolicy = NaturePolicy.KEEP
    on_failure: OnFailure = OnFailure.CONTINUE
    max_redirections: Redirections = MAX_REDIRECTIONS

    def __post_init__(self) -> None:
        if bool(self.prefix) == bool(self.suffix):
            raise ValueError("prefix: give either prefix or suffix, one of them")
        if not self.prefix:
            return
        plan = self.numbering
        for name, start in (
            ("country_code", plan.country_code),
            ("national_prefix", plan.national_prefix),
            *(("international_prefix", prefix) for prefix in plan.international_prefixes),
        ):
            if start.startswith(self.prefix):
                raise ValueError(
                    f"prefix: every number that begins with numbering.{name} {start} would count as marked"
                )

    def marked(self, digits: str) -> bool:
        """Return whether a number carries the mark."""
        if self.prefix:
            return digits.startswith(self.prefix)
        return digits.endswith(self.suffix)

    def unmarked(self, digits: str) -> str:
        """Return the digits that carry the mark without it; "" for a number that is not `marked`."""
        if not self.marked(digits):
            return ""
        return digits[len(self.prefix) : len(digits) - len(self.suffix)]


# In Python 3.11 a member looked up through its class costs ten times what a global does.
_AS_DIALLED: Final = DigitsPolicy.AS_DIALLED
_INTERNATIONAL: Final = Nature.INTERNATIONAL
_KEEP: Final = NaturePolicy.KEEP
_NATURES: Final = {
    NaturePolicy.UNKNOWN: Nature.UNKNOWN,
    NaturePolicy.NATIONAL: Nature.NATIONAL,
    NaturePolicy.INTERNATIONAL: Nature.INTERNATIONAL,
    NaturePolicy.NETWORK_SPECIFIC: Nature.NETWORK_SPECIFIC,
}


def target(subscriber: Subscriber, call: CallFacts, rules: Rules) -> tuple[str, Nature]:
    """Return the number to connect to: the subscriber's forwarding number, or the called number marked."""
    if subscriber.forwarding_number is not None:
        return subscriber.forwarding_number, _INTERNATIONAL
    digits, foreign = call.digits, False
    if rules.digits is not _AS_DIALLED:
        national = rules.numbering.national(call.e164) if rules.digits is DigitsPolicy.NATIONAL else ""
        foreign = rules.digits is DigitsPolicy.NATIONAL and not national
        digits = national or call.e164
    number = rules.prefix + digits + rules.suffix
    if rules.nature is _KEEP:
        return number, call.nature
    if foreign and rules.nature is NaturePolicy.NATIONAL:
        return number, _INTERNATIONAL
    return number, _NATURES[rules.nature]
