"""The shared ledger: accounts and reservations in Redis, changed by Lua scripts.

What belongs to one account lies in one bucket (`scp.domain.reservation.bucket_of`), whose keys share a hash
tag: in a cluster they are on one server, so that one script changes them at once::

    {PREFIX:l:HEX}:balance   hash  MSISDN → minor units
    {PREFIX:l:HEX}:held      hash  MSISDN → minor units
    {PREFIX:l:HEX}:credits:MSISDN  hash  id → amount
    {PREFIX:l:HEX}:r:ID      hash  a reservation: ``body`` (what never changes) and what does
    {PREFIX:l:HEX}:open      sorted set  id → when it expires
    {PREFIX:l:HEX}:ended     sorted set  id → when it ended
    {PREFIX:l:HEX}:out:NODE  set   committed, and NODE has not said yet that it wrote the CDR
    {PREFIX:l:HEX}:sums      hash  credited, charged

A change is acknowledged as a subscriber's record is (`scp.store.redis`): when ``acks`` replicas have it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
from msgspec import structs

from scp.domain.reservation import (
    BUCKETS,
    Account,
    Outcome,
    Reservation,
    Result,
    State,
    bucket_of,
    bucket_of_id,
)
from scp.domain.tariff import MAX_AMOUNT
from scp.ports import Totals
from scp.store.ledger_scripts import CREDIT, FORGET, RECORDED, STEP
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.reservation import Step
    from scp.store.redis_url import RedisUrl

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Reservation).decode


@final
class RedisLedger(RedisBacked):
    """`scp.ports.Ledger` on Redis 6 or later. Use it from one event loop.

    Args:
        url: where, and how.
        node: whose CDRs `unrecorded` is about.
    """

    def __init__(self, url: RedisUrl, node: str) -> None:
        super().__init__(url)
        self._client = self._deployment.writes  # also for questions: a repeated answer must last
        self._credit = self._client.script(CREDIT)
        self._step_script = self._client.script(STEP)
        self._recorded = self._client.script(RECORDED)
        self._forget = self._client.script(FORGET)
        self._node = node
        self._tags = [f"{url.prefix}:l:{number:02x}".encode() for number in range(BUCKETS)]

    # --- accounts ---

    async def account(self, msisdn: str) -> Account | None:
        """See `scp.ports.Ledger`."""
        bucket = bucket_of(msisdn)
        balance, held = await asyncio.gather(
            self._ask("HGET", self._key(bucket, "balance"), msisdn),
            self._ask("HGET", self._key(bucket, "held"), msisdn),
        )
        return None if balance is None else Account(msisdn, int(balance), int(held or 0))

    async def credit(self, msisdn: str, credit_id: str, amount: int, at_ms: int) -> Outcome:  # noqa: ARG002
        """See `scp.ports.Ledger`."""
        bucket = bucket_of(msisdn)
        keys = self._keys(bucket, f"credits:{msisdn}", "balance", "held", "sums")
        result, balance, held = await answered(self._credit(keys, [msisdn, credit_id, amount, MAX_AMOUNT]))
        return Outcome(Result(result.decode()), Account(msisdn, balance, held))

    # --- reservations ---

    async def reservation(self, reservation_id: str) -> Reservation | None:
        """See `scp.ports.Ledger`."""
        bucket = bucket_of_id(reservation_id)
        if bucket < 0:
            return None
        fields = await self._ask("HGETALL", self._key(bucket, f"r:{reservation_id}"))
        return _reservation(fields) if fields else None

    async def reserve(self, reservation: Reservation, step: Step) -> Outcome:
        """See `scp.ports.Ledger`; the id has to be one of `scp.domain.reservation.reservation_id`."""
        new = structs.replace(reservation, state=State.NONE)
        return await self._step(new.id, step, new.account, _encode(new))

    async def step(self, reservation_id: str, step: Step) -> Outcome:
        """See `scp.ports.Ledger`."""
        if bucket_of_id(reservation_id) < 0:
            return Outcome(Result.UNKNOWN)
        return await self._step(reservation_id, step, "", b"")

    async def _step(self, reservation_id: str, step: Step, account: str, body: bytes) -> Outcome:
        bucket = bucket_of_id(reservation_id)
        keys = self._keys(
            bucket, f"r:{reservation_id}", "balance", "held", "open", "ended", f"out:{self._node}", "sums"
        )
        arguments = (
            *(step.event.value, reservation_id, step.at_ms, step.amount, step.seconds, step.expires_ms),
            *(account, body),
        )
        result, msisdn, balance, held, flat = await answered(self._step_script(keys, arguments))
        return Outcome(
            Result(result.decode()),
            None if balance is None else Account(msisdn.decode(), balance, held),
            _reservation(dict(zip(flat[::2], flat[1::2], strict=True))) if flat else None,
        )

    async def due(self, now_ms: int, most: int) -> list[str]:
        """See `scp.ports.Ledger`."""
        found = await self._ask_all("open", "ZRANGEBYSCORE", "-inf", now_ms, "LIMIT", 0, most)
        return [each.decode() for ids in found for each in ids][:most]

    async def unrecorded(self, most: int) -> list[Reservation]:
        """See `scp.ports.Ledger`."""
        found = await self._ask_all(f"out:{self._node}", "SRANDMEMBER", most)
        ids = [each.decode() for ids in found for each in ids][:most]
        records = await asyncio.gather(*(self.reservation(each) for each in ids))
        return [record for record in records if record is not None]

    async def recorded(self, reservation_ids: Sequence[str]) -> None:
        """See `scp.ports.Ledger`."""
        buckets: dict[int, list[str]] = {}
        for each in reservation_ids:
            buckets.setdefault(bucket_of_id(each), []).append(each)
        await asyncio.gather(
            *(
                answered(
                    self._recorded([self._key(bucket, f"out:{self._node}"), self._key(bucket, "r:")], ids)
                )
                for bucket, ids in buckets.items()
            )
        )

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.ports.Ledger`; ``most`` holds for each bucket."""
        counts = await asyncio.gather(
            *(
                answered(self._forget(self._keys(bucket, "ended", "r:"), [before_ms, most]))
                for bucket in range(BUCKETS)
            )
        )
        return sum(counts)

    async def totals(self) -> Totals:
        """See `scp.ports.Ledger`."""
        balances, holds, credited, charged = await asyncio.gather(
            self._ask_all("balance", "HVALS"),
            self._ask_all("held", "HVALS"),
            self._ask_all("sums", "HGET", "credited"),
            self._ask_all("sums", "HGET", "charged"),
        )
        return Totals(
            sum(int(each) for bucket in balances for each in bucket),
            sum(int(each) for bucket in holds for each in bucket),
            sum(int(each or 0) for each in credited),
            sum(int(each or 0) for each in charged),
        )

    # --- talking to Redis ---

    def _key(self, bucket: int, name: str) -> bytes:
        return b"{%b}:%b" % (self._tags[bucket], name.encode())

    def _keys(self, bucket: int, *names: str) -> tuple[bytes, ...]:
        return tuple(self._key(bucket, name) for name in names)

    async def _ask_all(self, name: str, verb: str, *arguments: str | int) -> list[Any]:
        """Put one question to every bucket, all at once."""
        return await asyncio.gather(
            *(self._ask(verb, self._key(bucket, name), *arguments) for bucket in range(BUCKETS))
        )

    async def _ask(self, verb: str, key: bytes, *words: str | int) -> Any:
        """Return the reply once enough replicas have what led to it."""
        return await answered(self._client.execute_command(verb, key, *words))


def _reservation(fields: dict[bytes, bytes]) -> Reservation:
    return structs.replace(
        _decode(fields[b"body"]),
        state=State(fields[b"state"].decode()),
        held=int(fields.get(b"held", 0)),
        granted_seconds=int(fields.get(b"granted", 0)),
        expires_ms=int(fields.get(b"expires", 0)),
        used_seconds=int(fields.get(b"used", 0)),
        charged=int(fields.get(b"charged", 0)),
        ended_ms=int(fields.get(b"ended", 0)),
        steps=int(fields.get(b"steps", 0)),
    )
