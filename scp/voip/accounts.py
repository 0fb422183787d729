"""Who joins, leaves and changes: every write is in the store before it is in the directory, and then told.

One change at a time. Kamailio is told by the brain what does not hold any more: credentials, bindings.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, final

import msgspec
from msgspec.structs import replace

from scp import client
from scp.common.token_buckets import TokenBuckets
from scp.voip.admission import HOUR_MS, Enrolment, Refusal, begun, hashed, may_ask, tried
from scp.voip.config import ha1_of
from scp.voip.directory import Device, DeviceState, Identity
from scp.voip.records import Quarantine, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.voip.brain import Brain
    from scp.voip.config import VoipConfig
    from scp.voip.config_api import Admission
    from scp.voip.rows import Row
    from scp.voip.scp_link import ScpLink
    from scp.voip.store import AnyRecord, Store
    from scp.voip.texts import Texts

DAY_MS: Final = 86_400_000


class RefusedError(Exception):
    """It is not done. ``why`` is a `Refusal` or a word of this module's, ``wait`` seconds until it may be."""

    def __init__(self, why: str, words: str = "", wait: float = 0) -> None:
        super().__init__(words or why)
        self.why = why
        self.wait = wait


CONFIGURED: Final = "configured"
TAKEN: Final = "number-taken"
TOO_MANY_DEVICES: Final = "too-many-devices"
GONE: Final = "gone"
TOO_MANY_ASKS: Final = "too-many-asks"
NO_ADMISSION: Final = "no-admission"
CHANGED: Final = "changed-meanwhile"
UNFIT: Final = "unfit"


class Asked(NamedTuple):
    """An enrolment that has begun, and the secret with which it goes on."""

    id: str
    secret: str
    until_ms: int


class Credentials(NamedTuple):
    """What a device gets, once."""

    device: Device
    password: str
    token: str
    token_until_ms: int


@final
class Accounts:
    """Identities, devices, tokens and enrolments as they are changed while the service runs.

    Args:
        brain: has the directory and the links.
        store: of both.
        texts: sends PINs; None: nobody joins.
        scp: knows whom the operator has authorized; None: who is in the directory may join.
        wall: milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        brain: Brain,
        store: Store,
        texts: Texts | None,
        scp: ScpLink | None,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._brain = brain
        self._directory = brain.directory
        self._store = store
        self._texts = texts
        self._scp = scp
        self._wall = wall
        self._lock = asyncio.Lock()
        self._asks: TokenBuckets | None = None
        self._tokens: dict[str, Token] = {}
        self._quarantine: dict[str, Quarantine] = {}
        self._enrolments: dict[str, Enrolment] = {}
        self._of_number: dict[str, dict[str, Enrolment]] = defaultdict(dict)
        self.faults: list[str] = []
        self.read()

    def read(self) -> None:
        """Read the store anew: other brains may have written it. Blocks; raises `StoreError`."""
        faults: list[str] = []
        tokens = {one.sha256: one for one in self._store.read(Token, faults)}
        quarantine = {one.number: one for one in self._store.read(Quarantine, faults)}
        enrolments = list(self._store.read(Enrolment, faults))
        self._tokens, self._quarantine, self.faults = tokens, quarantine, faults
        self._enrolments.clear()
        self._of_number.clear()
        for one in enrolments:
            self._keep(one)

    def changed(self, row: Row) -> None:
        """Hear of a record that another brain has written, or this one; raises `msgspec.DecodeError`."""
        if row.kind == "token":
            self._tokens.pop(row.id, None)
            if row.body is not None:
                self._tokens[row.id] = msgspec.json.decode(row.body, type=Token)
        elif row.kind == "quarantine":
            self._quarantine.pop(row.id, None)
            if row.body is not None:
                self._quarantine[row.id] = msgspec.json.decode(row.body, type=Quarantine)
        elif row.kind == "enrolment":
            self._drop(row.id)
            if row.body is not None:
                self._keep(msgspec.json.decode(row.body, type=Enrolment))

    @property
    def config(self) -> VoipConfig:
        """As it was read last."""
        return self._brain.config

    # --- tokens ---

    def holder(self, token: str) -> Device | None:
        """Return the device whose token this is, None if it is nobody's or not valid any more."""
        found = self._tokens.get(hashed(token))
        if found is None or found.until_ms <= self._wall():
            return None
        device = self._directory.device(found.device)
        return None if device is None or device.state is DeviceState.REVOKED else device

    def expired(self, token: str) -> bool:
        """Whether a token is a device's that was valid until a time that is over."""
        found = self._tokens.get(hashed(token))
        return found is not None and found.until_ms <= self._wall()

    # --- joining ---

    async def enrol(self, msisdn: str, label: str, source: str) -> Asked:
        """Send a PIN to a number, and return what the device goes on with.

        Where the number is nobody's who may join, the answer is the same and no message goes out: who asks
        does not learn who is a subscriber.

        Raises:
            RefusedError: too often for this number or from this address.
        """
        admission, texts = self.config.admission, self._texts
        if admission is None or texts is None:
            raise RefusedError(NO_ADMISSION)
        if not self._asking(admission).take(source, time.monotonic()):
            raise RefusedError(TOO_MANY_ASKS, f"more than {admission.asks_of_address} an hour", 3600)
        known = await self._may_join(msisdn)
        secret, pin = (
            secrets.token_urlsafe(32),
            f"{secrets.randbelow(10**admission.digits):0{admission.digits}}",
        )
        async with self._lock:
            now = self._wall()
            await self._prune(now)
            earlier = self._of_number[msisdn].values()
            why = may_ask(earlier, admission.limits, now)
            if why is not None:
                oldest = min(one.asked_ms for one in earlier)
                raise RefusedError(why, wait=max(1, (oldest + HOUR_MS - now) // 1000))
            name = f"enr-{secrets.token_hex(10)}"
            enrolment = begun(name, msisdn, label, source, secret, pin, admission.limits, now)
            await self._change(put=[enrolment])
            self._keep(enrolment)
        if known:
            text = admission.text.format(pin=pin, domain=self.config.voip.domain)
            await texts.send(f"pin-{name}", "", msisdn, text, admission.pin_s, receipt=False)
        return Asked(name, secret, enrolment.until_ms)

    def _asking(self, admission: Admission) -> TokenBuckets:
        if self._asks is None:
            self._asks = TokenBuckets(admission.asks_of_address / 3600, admission.asks_of_address)
        return self._asks

    async def _may_join(self, msisdn: str) -> bool:
        """Whether the operator lets this number use the service."""
        if self._directory.identity(msisdn) is not None:
            return True
        if self._directory.called(msisdn) or self._scp is None:
            return False  # a DID or a shared number has no text messages
        try:
            await self._scp.send(client.authorization(msisdn))
        except client.ApiError as error:
            if error.problem.status != 404:
                raise
            return False
        return True

    async def confirm(self, name: str, secret: str, pin: str) -> tuple[Enrolment, Credentials]:
        """Take a PIN; with the right one a device comes to be, once.

        What was tried is in the store before it is told: no PIN is tried more often, or works twice, whatever
        happens to this process.

        Raises:
            RefusedError: see `Refusal`; too many devices.
        """
        admission = self.config.admission
        if admission is None:
            raise RefusedError(NO_ADMISSION)
        async with self._lock:
            before, now = self._enrolments.get(name), self._wall()
            if before is None:
                raise RefusedError(Refusal.UNKNOWN)
            await self._prune(now)
            earlier = self._of_number[before.msisdn].values()
            after, why = tried(before, secret, pin, earlier, admission.limits, now)
            if why is not None:
                if after is not before:
                    await self._change(put=[after], expect=[before])
                    self._keep(after)
                raise RefusedError(why)
            msisdn = after.msisdn
            if sum(1 for _ in self._directory.devices_of(msisdn)) >= admission.devices:
                raise RefusedError(TOO_MANY_DEVICES, f"{admission.devices} at the most")
            identity = self._joining(msisdn, admission, now)
            made = self._credentials(
                Device(f"d-{secrets.token_hex(8)}", "0" * 32, (msisdn,), after.label), now
            )
            token = _token(made)
            records: list[AnyRecord] = [after, made.device, token]
            await self._change(put=[*records, identity] if identity else records, expect=[before])
            self._keep(after)
            if identity is not None:
                self._directory.put_identity(identity)
            self._directory.put_device(made.device)
            self._tokens[token.sha256] = token
        return after, made

    def _joining(self, msisdn: str, admission: Admission, now: int) -> Identity | None:
        """Return the identity of a number that joins, None if it is here already."""
        if self._directory.identity(msisdn) is not None:
            return None
        for number, kept in list(self._quarantine.items()):
            if kept.until_ms <= now:
                del self._quarantine[number]
        free = (
            did for did in admission.dids if did not in self._quarantine and not self._directory.called(did)
        )
        return Identity(msisdn, tuple(did for did, _ in zip(free, range(1), strict=False)))

    def _credentials(self, device: Device, now: int) -> Credentials:
        """Return a device with a new password and token."""
        password = base64.b32encode(secrets.token_bytes(15)).decode().lower()
        made = replace(device, ha1=ha1_of(device.id, self.config.voip.domain, password))
        days = 365 if self.config.admission is None else self.config.admission.token_days
        return Credentials(made, password, secrets.token_urlsafe(32), now + days * DAY_MS)

    def _keep(self, enrolment: Enrolment) -> None:
        self._enrolments[enrolment.id] = enrolment
        self._of_number[enrolment.msisdn][enrolment.id] = enrolment

    async def _prune(self, now: int) -> None:
        """Forget enrolments that limit nothing any more."""
        old = [one for one in self._enrolments.values() if one.asked_ms <= now - HOUR_MS]
        if old:
            await self._change(remove=old)
        for one in old:
            self._drop(one.id)

    def _drop(self, enrolment: str) -> None:
        one = self._enrolments.pop(enrolment, None)
        if one is None:
            return
        of_number = self._of_number[one.msisdn]
        del of_number[one.id]
        if not of_number:
            del self._of_number[one.msisdn]

    # --- identities and devices, by the operator or by whose they are ---

    def _may_change(self, record: Identity | Device) -> None:
        """Refuse to change what voip.toml has: it would be back at the next start."""
        config = self.config
        if isinstance(record, Identity):
            there = any(one.msisdn == record.msisdn for one in config.identities)
            where = f"{record.msisdn} is in [[identities]]"
        else:
            there = any(one.id == record.id for one in config.devices)
            where = f"{record.id} is in [[devices]]"
        if there:
            raise RefusedError(CONFIGURED, f"{where}: change it there, then SIGHUP to the brain")

    async def put_identity(self, identity: Identity) -> Identity | None:
        """Have this identity; return what it was.

        Raises:
            RefusedError: it is voip.toml's, it does not fit together, or a number is another's.
        """
        async with self._lock:
            self._may_change(identity)
            if fault := identity.fault() or self._unknown_class(identity):
                raise RefusedError(UNFIT, fault)
            before = self._directory.identity(identity.msisdn)
            try:
                self._directory.put_identity(identity)
            except ValueError as error:
                raise RefusedError(TAKEN, str(error)) from None
            try:
                await self._change(put=[identity])
            except BaseException:
                self._directory.remove_identity(identity.msisdn)
                if before is not None:
                    self._directory.put_identity(before)
                raise
            return before

    def _unknown_class(self, identity: Identity) -> str:
        classes = self.config.calls.classes
        unknown = [one for one in identity.barred if not one.isdigit() and one not in classes]
        return f"barred: calls.classes has no {unknown[0]}" if unknown else ""

    async def remove_identity(self, msisdn: str) -> Identity:
        """Let an identity go with the devices that stand for nobody else; its DIDs rest for a while."""
        async with self._lock:
            identity = self._directory.identity(msisdn)
            if identity is None:
                raise RefusedError(GONE)
            self._may_change(identity)
            devices = list(self._directory.devices_of(msisdn))
            gone = [one for one in devices if one.identities == (msisdn,)]
            kept = [
                replace(one, identities=tuple(each for each in one.identities if each != msisdn))
                for one in devices
                if one.identities != (msisdn,)
            ]
            for one in devices:
                self._may_change(one)
            days = 0 if self.config.admission is None else self.config.admission.quarantine_days
            until = self._wall() + days * DAY_MS
            resting = [Quarantine(did, until) for did in identity.dids] if days else []
            tokens = [one for one in self._tokens.values() if one.device in {each.id for each in gone}]
            await self._change(put=[*kept, *resting], remove=[identity, *gone, *tokens])
            for token in tokens:
                self._tokens.pop(token.sha256, None)
            self._quarantine |= {rests.number: rests for rests in resting}
            for one in devices:
                self._brain.forget(one.id)
                self._directory.remove_device(one.id)
            for one in kept:
                self._directory.put_device(one)
            self._brain.leave(msisdn)
            return identity

    async def make_device(self, device_id: str, identities: tuple[str, ...], label: str) -> Credentials:
        """Have a new device, or another one by this id; return its credentials."""
        async with self._lock:
            for msisdn in identities:
                if self._directory.identity(msisdn) is None:
                    raise RefusedError(UNFIT, f"identities: {msisdn} is nobody's here")
            before = self._directory.device(device_id)
            if before is not None:
                self._may_change(before)
            return await self._with_credentials(Device(device_id, "0" * 32, identities, label), before)

    async def rotate(self, device_id: str) -> Credentials:
        """Give a device a new password and token; the old ones are of no use any more."""
        async with self._lock:
            before = self._known(device_id)
            return await self._with_credentials(before, before)

    async def _with_credentials(self, device: Device, before: Device | None) -> Credentials:
        made = self._credentials(device, self._wall())
        token = _token(made)
        old = [one for one in self._tokens.values() if one.device == device.id]
        await self._change(put=[made.device, token], remove=old)
        for one in old:
            self._tokens.pop(one.sha256, None)
        self._tokens[token.sha256] = token
        self._directory.put_device(made.device)
        if before is not None:
            self._brain.forget(device.id)
        return made

    def _known(self, device_id: str) -> Device:
        device = self._directory.device(device_id)
        if device is None:
            raise RefusedError(GONE)
        self._may_change(device)
        return device

    async def set_device(self, device_id: str, label: str | None, state: DeviceState | None) -> Device:
        """Change a device's label, or switch it off and on; what is off is not bound any more."""
        async with self._lock:
            before = self._known(device_id)
            after = replace(
                before,
                label=before.label if label is None else label,
                state=before.state if state is None else state,
            )
            await self._change(put=[after])
            self._directory.put_device(after)
            if after.state is not DeviceState.ACTIVE:
                self._unbind(after)
            return after

    async def revoke(self, device_id: str) -> Device:
        """Let a device go for good: credentials, tokens, bindings."""
        async with self._lock:
            before = self._known(device_id)
            tokens = [one for one in self._tokens.values() if one.device == device_id]
            await self._change(remove=[before, *tokens])
            for token in tokens:
                self._tokens.pop(token.sha256, None)
            self._directory.remove_device(device_id)
            self._unbind(before)
            return before

    def _unbind(self, device: Device) -> None:
        self._brain.forget(device.id)
        for msisdn in device.identities:
            self._brain.unbind(msisdn, device.id)

    async def _change(
        self,
        put: Iterable[AnyRecord] = (),
        remove: Iterable[AnyRecord] = (),
        expect: Iterable[AnyRecord] = (),
    ) -> None:
        if not await asyncio.to_thread(self._store.change, put, remove, expect):
            raise RefusedError(CHANGED)


def _token(made: Credentials) -> Token:
    return Token(hashed(made.token), made.device.id, made.token_until_ms)
