"""CallGap (TS 29.078 §5.1, §6.1.1): how a gsmSCF asks gsmSSFs for fewer InitialDPs when it is overloaded."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Integer, Octets, Sealed, Tag, Untagged
from ss7.cap.common import Cause, Digits, Extensions, Integer4
from ss7.cap.interaction import InformationToSend

# ruff: noqa: TC001 - the annotations are read at run time


class GapOnService(Struct, frozen=True, gc=False):
    """All calls of a service."""

    service_key: Annotated[Integer4, Tag(0, "serviceKey")]


class CalledAddressAndService(Struct, frozen=True, gc=False):
    """Calls of a service to a number; the number can be the beginning of numbers."""

    called_address_value: Annotated[Digits, Tag(0, "calledAddressValue")]
    service_key: Annotated[Integer4, Tag(1, "serviceKey")]


class CallingAddressAndService(Struct, frozen=True, gc=False):
    """Calls of a service from a number; the number can be the beginning of numbers."""

    calling_address_value: Annotated[Digits, Tag(0, "callingAddressValue")]
    service_key: Annotated[Integer4, Tag(1, "serviceKey")]


class BasicGapCriteria(Choice, frozen=True, gc=False):
    """Which calls."""

    called: ClassVar[Annotated[Digits, Tag(0, "calledAddressValue")]]
    service: ClassVar[Annotated[GapOnService, Tag(2, "gapOnService")]]
    called_and_service: ClassVar[Annotated[CalledAddressAndService, Tag(29, "calledAddressAndService")]]
    calling_and_service: ClassVar[Annotated[CallingAddressAndService, Tag(30, "callingAddressAndService")]]


class CompoundCriteria(Sealed, frozen=True, gc=False):
    """Which calls, towards which gsmSCF."""

    basic_gap_criteria: Annotated[BasicGapCriteria, Tag(0, "basicGapCriteria")]
    scf_id: Annotated[Annotated[bytes, Octets(2, 25)] | None, Tag(1, "scfID")] = None


class GapCriteria(Choice, frozen=True, gc=False):
    """Which calls, with or without naming the gsmSCF."""

    basic: ClassVar[Annotated[BasicGapCriteria, Untagged("basicGapCriteria")]]
    compound: ClassVar[Annotated[CompoundCriteria, Untagged("compoundGapCriteria")]]


class GapIndicators(Struct, frozen=True, gc=False):
    """For how long (seconds; -1 no end, -2 network specific), how far apart (ms; 0 no gapping, -1 all)."""

    duration: Annotated[Annotated[int, Integer(-2, 86400)], Tag(0, "duration")]
    gap_interval: Annotated[Annotated[int, Integer(-1, 60000)], Tag(1, "gapInterval")]


class ControlType(Enumerated):
    """Why: a manual gap has precedence over an automatic one."""

    SCP_OVERLOADED = 0, "sCPOverloaded"
    MANUALLY_INITIATED = 1, "manuallyInitiated"


class GapTreatment(Choice, frozen=True, gc=False):
    """What becomes of a gapped call."""

    information_to_send: ClassVar[Annotated[InformationToSend, Tag(0, "informationToSend")]]
    release_cause: ClassVar[Annotated[Cause, Tag(1, "releaseCause")]]


class CallGapArg(Struct, frozen=True, gc=False):
    """CallGap."""

    gap_criteria: Annotated[GapCriteria, Tag(0, "gapCriteria")]
    gap_indicators: Annotated[GapIndicators, Tag(1, "gapIndicators")]
    control_type: Annotated[ControlType | None, Tag(2, "controlType")] = None
    gap_treatment: Annotated[GapTreatment | None, Tag(3, "gapTreatment")] = None
    extensions: Annotated[Extensions | None, Tag(4, "extensions")] = None
