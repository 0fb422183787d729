"""The subscriber record: what the operator and the VoIP service have set for one MSISDN."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class When(StrEnum):
    """The subscriber's condition for forwarding."""

    ALWAYS = "always"
    ROAMING = "roaming"
    LOCATIONS = "locations"


class Subscriber(Struct, frozen=True, gc=False, omit_defaults=True):
    """One subscriber, as every store keeps it.

    Attributes:
        msisdn: E.164 digits without ``+``, 5 to 15 of them.
        imsi: up to 15 digits, if the operator gave it.
        authorized: the operator lets this MSISDN use the service.
        aor: the SIP address of record that the VoIP service registered; None is "not registered".
        forwarding_number: a DID that Connect uses in place of the marked number, E.164 digits.
        forwarding: forwarding is switched on.
        when: the condition under which a call is forwarded.
        locations: for `When.LOCATIONS`: VLR number prefixes, or cell or location area ids as hex octets.
        roaming: what another system said, None if nothing did.
        vlr: the VLR number that came with `roaming`, E.164 digits.
        version: 0 before the first write, then one more with each; the stores' compare-and-set uses it.
        rescue: whether a call that the VoIP side does not take is connected elsewhere; None: as the service
            has it for all.
        rescue_number: where to, E.164 digits; None: the subscriber's own line.
        passes: calls that go on unsteered, once each (`scp.domain.passes`).
    """

    msisdn: str
    imsi: str | None = None
    authorized: bool = False
    aor: str | None = None
    forwarding_number: str | None = None
    forwarding: bool = False
    when: When = When.ALWAYS
    locations: tuple[str, ...] = ()
    roaming: bool | None = None
    vlr: str | None = None
    version: int = 0
    rescue: bool | None = None
    rescue_number: str | None = None
    passes: tuple[str, ...] = ()

    @property
    def registered(self) -> bool:
        """Whether the VoIP service has registered this subscriber."""
        return self.aor is not None
