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
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import msgspec
from msgspec import structs
from redis.exceptions import ResponseError

from scp.domain.reservation import (
    BUCKETS,
    OPEN,
    Account,
    Outcome,
    Reservation,
    Result,
    State,
    Stepped,
    bucket_of,
    bucket_of_id,
)
from scp.domain.tariff import MAX_AMOUNT
from scp.ports import StoreError, Totals
from scp.store.ledger_scripts import ARGUMENTS, BODY, CREDIT, FORGET, NUMBERS, RAISE, RECORDED, STEPS
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered, translate
from scp.store.redis_hot import HotCall, HotCalls, HotScript, bulk

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from scp.domain.reservation import Step
    from scp.ports import StepWaiter
    from scp.store.redis_requests import Reply
    from scp.store.redis_url import RedisUrl

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Reservation).decode
_BUCKETS: Final = {f"{number:02x}": number for number in range(BUCKETS)}
"""By what an id begins with; ids of sessions are the node's own, and need no closer look."""
_KEYS: Final = ("balance", "held", "open", "ended")
_RESULTS: Final = {each.value.encode(): each for each in Result}
_STATES: Final = {each.value.encode(): each for each in State}
_Answer: TypeAlias = Any
"""What a step's script returns: see `scp.store.ledger_scripts.step_script`."""


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
        self._steps = {event: self._client.script(text) for event, text in STEPS.items()}
        self._recorded = self._client.script(RECORDED)
        self._forget = self._client.script(FORGET)
        self._node = node
        self._tags = [f"{url.prefix}:l:{number:02x}".encode() for number in range(BUCKETS)]
        self._calls = HotCalls(self._deployment, url.in_flight)
        self._acknowledged = url.acks > 0  # by replicas, which only redis-py's pipelines wait for
        self._hot = {
            event: HotScript(text, len(self._names()) + 1, ARGUMENTS) for event, text in STEPS.items()
        }
        self._prefixes = [b"{%b}:r:" % tag for tag in self._tags]
        self._further = [
            b"".join([bulk(key) for key in self._keys(bucket, *self._names())]) for bucket in range(BUCKETS)
        ]
        self._tasks: set[asyncio.Task[None]] = set()

    def _connected(self) -> None:
        self._deployment.spread([self._key(bucket, "balance") for bucket in range(BUCKETS)])

    # --- accounts ---

    async def account(self, msisdn: str) -> Account | None:
        """See `scp.ports.Ledger`."""
        bucket = bucket_of(msisdn)
        balance, held = await asyncio.gather(
            *[self._ask("HGET", self._key(bucket, name), msisdn) for name in ("balance", "held")]
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
        return _outcome(await self._step(new.id, step, new.account.encode(), _encode(new), BODY))

    async def step(self, reservation_id: str, step: Step) -> Outcome:
        """See `scp.ports.Ledger`."""
        if bucket_of_id(reservation_id) < 0:
            return Outcome(Result.UNKNOWN)
        return _outcome(await self._step(reservation_id, step, b"", b"", BODY))

    async def _step(self, reservation_id: str, step: Step, account: bytes, body: bytes, flag: str) -> _Answer:
        keys = self._keys(bucket_of_id(reservation_id), f"r:{reservation_id}", *self._names())
        arguments = (reservation_id, _numbers(step), account, body, flag)
        answer: _Answer = await answered(self._steps[step.event](keys, arguments))
        return answer

    def ask_step(
        self, reservation_id: str, step: Step, waiter: StepWaiter, new: Reservation | None = None
    ) -> None:
        """See `scp.ports.LedgerSteps`."""
        account, body = (b"", b"") if new is None else (new.account.encode(), _encode(new))
        bucket = _BUCKETS.get(reservation_id[:2], -1)
        if not self._acknowledged and bucket >= 0:
            script = self._hot[step.event]
            name = reservation_id.encode()
            octets = b"%b$%d\r\n%b%b\r\n%b$%d\r\n%b\r\n$32\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$1\r\nr\r\n" % (
                *(script.head, len(self._prefixes[bucket]) + len(name), self._prefixes[bucket], name),
                *(self._further[bucket], len(name), name, _numbers(step)),
                *(len(account), account, len(body), body),
            )
            if self._calls.send(_Asked(self._calls, script, bucket, octets, waiter)):
                return
        task = asyncio.get_running_loop().create_task(
            self._ask_slowly(reservation_id, step, account, body, waiter)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_slowly(
        self, reservation_id: str, step: Step, account: bytes, body: bytes, waiter: StepWaiter
    ) -> None:
        """Ask where there is no connection, or where replicas have to acknowledge the answer."""
        try:
            known = bucket_of_id(reservation_id) >= 0
            answer = await self._step(reservation_id, step, account, body, RAISE) if known else None
        except StoreError as error:
            waiter.stepped(error)
        else:
            waiter.stepped(Stepped(Result.UNKNOWN) if answer is None else _stepped(answer))

    async def due(self, now_ms: int, most: int) -> list[str]:
        """See `scp.ports.Ledger`."""
        found = await self._ask_all("open", "ZRANGEBYSCORE", "-inf", now_ms, "LIMIT", 0, most)
        return [each.decode() for ids in found for each in ids][:most]

    async def unrecorded(self, most: int, known: Collection[str] = ()) -> list[Reservation]:
        """See `scp.ports.Ledger`."""
        found = await self._ask_all(f"out:{self._node}", "SRANDMEMBER", most + len(known))
        ids = [each.decode() for ids in found for each in ids]
        ids = [each for each in ids if each not in known][:most]
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
            *[
                self._ask_all("balance", "HVALS"),
                self._ask_all("held", "HVALS"),
                self._ask_all("sums", "HGET", "credited"),
                self._ask_all("sums", "HGET", "charged"),
            ]
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

    def _names(self) -> tuple[str, ...]:
        """Return the keys of a step's script behind the reservation's own."""
        return (*_KEYS, f"out:{self._node}", "sums")

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


@final
class _Asked(HotCall):
    """A step on its way."""

    __slots__ = ("waiter",)

    def __init__(
        self, calls: HotCalls, script: HotScript, bucket: int, octets: bytes, waiter: StepWaiter
    ) -> None:
        super().__init__(calls, script, bucket, octets)
        self.waiter = waiter

    def answered(self, value: Reply) -> None:
        """Hand it over."""
        self.waiter.stepped(_stepped(value))

    def failed(self, error: str) -> None:
        """Tell the server's error."""
        self.waiter.stepped(translate(ResponseError(error)))

    def lost(self) -> None:
        """Tell that nothing will come: whether the step was done is not known."""
        self.waiter.stepped(StoreError("redis: the connection was lost", "unreachable"))


def _numbers(step: Step) -> bytes:
    return NUMBERS.pack(step.at_ms, step.amount, step.seconds, step.expires_ms)


def _stepped(answer: _Answer) -> Stepped:
    result, _, balance, held, state, was, granted, _, used, charged, _, _, body = answer
    after = _STATES[state]
    spendable = (balance or 0) - held
    return Stepped(
        _RESULTS[result],
        after,
        spendable + was if after in OPEN else spendable,
        was,
        granted,
        used,
        charged,
        None if body is None else _whole(answer),
    )


def _outcome(answer: _Answer) -> Outcome:
    result = _RESULTS[answer[0]]
    _, msisdn, balance, held, state, *_ = answer
    return Outcome(
        result,
        None if balance is None else Account(msisdn.decode(), balance, held),
        None if state == b"none" or result is Result.NO_ACCOUNT else _whole(answer),
    )


def _whole(answer: _Answer) -> Reservation:
    _, _, _, _, state, held, granted, expires, used, charged, ended, steps, body = answer
    return structs.replace(
        _decode(body),
        state=_STATES[state],
        held=held,
        granted_seconds=granted,
        expires_ms=expires,
        used_seconds=used,
        charged=charged,
        ended_ms=ended,
        steps=steps,
    )


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
