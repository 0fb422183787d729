"""The directory: identities with their numbers, the devices that stand for them, how many are bound. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from scp.voip.user_rules import NO_RULES, UserRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

E164: TypeAlias = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{4,14}\Z", description='E.164 digits in quotes, without +: "46701234567"')
]
DeviceId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z",
        description="1 to 63 letters, digits, '_' and '-', the first no sign",
    ),
]
Ha1: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="32 hexadecimal digits: MD5 of device:domain:password")
]


class Mobile(StrEnum):
    """Where the subscriber's own mobile stands among what rings."""

    LAST = "last"  # when no device has answered
    PARALLEL = "parallel"  # with the devices
    NEVER = "never"


class DeviceState(StrEnum):
    """What a device may do."""

    ACTIVE = "active"  # registers, calls and is called
    OFF = "off"  # switched off by its user: keeps its credentials, may not use them
    REVOKED = "revoked"  # for good


class Identity(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One subscriber as the VoIP service knows it.

    Attributes:
        msisdn: the number that is the identity's own; its address of record is ``sip:+MSISDN@DOMAIN``.
        dids: further numbers that only this identity has, as the trunks send them.
        shared: numbers that several identities have; all of them ring.
        aliases: user parts of SIP addresses by which devices may call it.
        forwarding: what the node is told when the first device registers.
        mobile: where the mobile itself stands among what rings.
        payer: the account that pays, if not the identity's own number.
        zone: IANA name of the time zone that its rules go by.
        barred: numbers that it may not call: prefixes in E.164 digits, or names of ``[calls.classes]``.
        presentation: who is shown as caller: "own", "withheld", or a number of its own.
        mode: "shared": any number of devices at a time; "exclusive": the one that has registered last.
        rules: what the user has set.
    """

    msisdn: E164
    dids: tuple[E164, ...] = ()
    shared: tuple[E164, ...] = ()
    aliases: tuple[str, ...] = ()
    forwarding: Literal["always", "roaming", "off"] = "roaming"
    mobile: Mobile = Mobile.LAST
    payer: E164 | None = None
    zone: str = "UTC"
    barred: tuple[
        Annotated[
            str,
            Meta(pattern=r"^([0-9]{1,15}|[a-z][a-z0-9-]{0,31})\Z", description="digits, or a class's name"),
        ],
        ...,
    ] = ()
    presentation: Annotated[
        str,
        Meta(
            pattern=r"^(own|withheld|[1-9][0-9]{4,14})\Z", description="own, withheld, or a number of its own"
        ),
    ] = "own"
    mode: Literal["shared", "exclusive"] = "shared"
    rules: UserRules = NO_RULES

    def fault(self) -> str:
        """Return in words what does not fit together, "" if all does."""
        if self.presentation[0].isdigit() and self.presentation not in (
            self.msisdn,
            *self.dids,
            *self.shared,
        ):
            return f"presentation: {self.presentation} is no number of {self.msisdn}"
        try:
            ZoneInfo(self.zone)
        except (ValueError, KeyError, OSError):
            return f"zone: {self.zone} is no IANA time zone: Europe/Stockholm, say"
        return ""


class Device(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One device: what it registers as, and for which identities.

    Attributes:
        id: opaque; also its user name in SIP's digest.
        ha1: MD5 of ``id:DOMAIN:password`` (RFC 7616 §3.4.2), all that is kept of the password.
        identities: MSISDNs; the first one's is the address that it calls from unless it says another.
        label: for people.
        state: see `DeviceState`.
    """

    id: DeviceId
    ha1: Ha1
    identities: tuple[E164, ...]
    label: str = ""
    state: DeviceState = DeviceState.ACTIVE


@final
class Directory:
    """All identities and devices in memory, found by number and by id."""

    def __init__(self) -> None:
        self._identities: dict[str, Identity] = {}
        self._by_number: dict[str, str | tuple[str, ...]] = {}  # nearly all are one identity's: no tuple then
        self._by_alias: dict[str, str] = {}
        self._devices: dict[str, Device] = {}
        self._devices_of: dict[str, tuple[str, ...]] = {}
        self._bound: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._identities)

    # --- what is written ---

    def put_identity(self, identity: Identity) -> None:
        """Have this identity, in place of what had its MSISDN before.

        Raises:
            ValueError: a number or alias is another identity's.
        """
        own = (identity.msisdn, *identity.dids)
        for number in own:
            others = [one for one in self._owners(number) if one != identity.msisdn]
            if others:
                raise ValueError(f"{number} is {others[0]}'s already")
        for alias in identity.aliases:
            if self._by_alias.get(alias, identity.msisdn) != identity.msisdn:
                raise ValueError(f"the alias {alias} is {self._by_alias[alias]}'s already")
        for number in identity.shared:
            owner = self._identities.get(number)
            if owner is not None and number != identity.msisdn:
                raise ValueError(f"{number} is {number}'s own and can't be shared")
        self.remove_identity(identity.msisdn)
        self._identities[identity.msisdn] = identity
        for number in (*own, *identity.shared):
            before = self._owners(number)
            self._by_number[number] = (*before, identity.msisdn) if before else identity.msisdn
        for alias in identity.aliases:
            self._by_alias[alias] = identity.msisdn

    def remove_identity(self, msisdn: str) -> Identity | None:
        """Forget an identity; return what it was. Its devices stay with what else they stand for."""
        identity = self._identities.pop(msisdn, None)
        if identity is None:
            return None
        for number in (msisdn, *identity.dids, *identity.shared):
            left = tuple(one for one in self._owners(number) if one != msisdn)
            if left:
                self._by_number[number] = left if len(left) > 1 else left[0]
            else:
                self._by_number.pop(number, None)
        for alias in identity.aliases:
            self._by_alias.pop(alias, None)
        return identity

    def put_device(self, device: Device) -> None:
        """Have this device, in place of what had its id before."""
        self.remove_device(device.id)
        self._devices[device.id] = device
        for msisdn in device.identities:
            self._devices_of[msisdn] = (*self._devices_of.get(msisdn, ()), device.id)

    def remove_device(self, device_id: str) -> Device | None:
        """Forget a device; return what it was."""
        device = self._devices.pop(device_id, None)
        for msisdn in () if device is None else device.identities:
            left = tuple(one for one in self._devices_of.get(msisdn, ()) if one != device_id)
            if left:
                self._devices_of[msisdn] = left
            else:
                self._devices_of.pop(msisdn, None)
        return device

    def bind(self, msisdn: str, count: int) -> None:
        """Know that an identity has so many bindings now."""
        if count:
            identity = self._identities.get(msisdn)
            self._bound[msisdn if identity is None else identity.msisdn] = count  # one string for all
        else:
            self._bound.pop(msisdn, None)

    # --- what is read ---

    def identity(self, msisdn: str) -> Identity | None:
        """Return the identity whose own number this is."""
        return self._identities.get(msisdn)

    def called(self, number: str) -> tuple[Identity, ...]:
        """Return the identities that have a number: one, or several that share it, or none."""
        return tuple(self._identities[one] for one in self._owners(number))

    def _owners(self, number: str) -> tuple[str, ...]:
        found = self._by_number.get(number, ())
        return (found,) if isinstance(found, str) else found

    def by_alias(self, user: str) -> Identity | None:
        """Return the identity that a SIP user part stands for."""
        msisdn = self._by_alias.get(user)
        return None if msisdn is None else self._identities.get(msisdn)

    def device(self, device_id: str) -> Device | None:
        """Return a device."""
        return self._devices.get(device_id)

    def devices_of(self, msisdn: str) -> Iterator[Device]:
        """Yield the devices that stand for an identity."""
        return (self._devices[one] for one in self._devices_of.get(msisdn, ()))

    def admits(self, device_id: str, msisdn: str) -> str:
        """Return the HA1 with which a device may act for an identity, "" if it may not."""
        device = self._devices.get(device_id)
        if device is None or device.state is not DeviceState.ACTIVE:
            return ""
        return device.ha1 if msisdn in device.identities and msisdn in self._identities else ""

    def bindings(self, msisdn: str) -> int:
        """Return how many bindings an identity has, as far as the SIP side has told."""
        return self._bound.get(msisdn, 0)

    def identities(self) -> Iterable[Identity]:
        """Return all identities."""
        return self._identities.values()

    def devices(self) -> Iterable[Device]:
        """Return all devices."""
        return self._devices.values()
