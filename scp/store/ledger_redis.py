"""The shared ledger: accounts and reservations in Redis, changed by Lua scripts.

What belongs to one account lies in one bucket (`scp.domain.reservation.bucket_of`), whose keys share a hash
tag: in a cluster they are on one server, so that one script changes them at once::

    {PREFIX:l:HEX}:balance   hash  MSISDN → minor units
    {PREFIX:l:HEX}:held      hash  MSISDN → minor units
    {PREFIX:l:HEX}:credits:MSISDN  hash  id → amount
    {PREFIX:l:HEX}:res       hash  id → a reservation (`scp.store.reservation_format`)
    {PREFIX:l:HEX}:due       sorted set of slots of time (`scp.store.redis_slots`), and for each
    {PREFIX:l:HEX}:due:SLOT  list  ids by expiry
    {PREFIX:l:HEX}:past      list  ids that have ended, nearly in that order
    {PREFIX:l:HEX}:cdr:NODE  set   committed, and NODE has not said yet that it wrote the CDR
    {PREFIX:l:HEX}:sums      hash  credited, charged

An id is there without what it begins with, its bucket, and as octets.

A change is acknowledged as a subscriber's record is (`scp.store.redis`): when ``acks`` replicas have it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

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
)
from scp.domain.tariff import MAX_AMOUNT
from scp.ports import StoreError, Totals
from scp.store.ledger_layout import MOVE, move_all
from scp.store.ledger_scripts import ARGUMENTS, BODY, CREDIT, DUE, FORGET, NUMBERS, RAISE, RECORDED, STEPS
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered, run_script, translate
from scp.store.redis_hot import HotCall, HotCalls, HotScript
from scp.store.reservation_format import STATES, FormatError, decode, decode_body, encode_body

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from redis.commands.core import AsyncScript

    from scp.domain.reservation import Step
    from scp.ports import StepWaiter
    from scp.store.redis_requests import Reply
    from scp.store.redis_url import RedisUrl

_BUCKETS: Final = {f"{number:02x}": number for number in range(BUCKETS)}
"""By what an id begins with; ids of sessions are the node's own, and need no closer look."""
_RESULTS: Final = {each.value.encode(): each for each in Result}
_NONE: Final = STATES.index(State.NONE)
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
        self._due = self._client.script(DUE)
        self._forget = self._client.script(FORGET)
        self._node = node
        self._tags = [f"{url.prefix}:l:{number:02x}".encode() for number in range(BUCKETS)]
        names = ("res", "balance", "held", "due", "past", f"cdr:{node}", "sums")  # of a step's script
        self._step_keys = [self._keys(bucket, *names) for bucket in range(BUCKETS)]
        self._calls = HotCalls(self._deployment, url.in_flight)
        self._acknowledged = url.acks > 0  # by replicas, which only redis-py's pipelines wait for
        self._hot = {event: HotScript(text, len(names), ARGUMENTS) for event, text in STEPS.items()}
        self._heads = {
            event: [script.with_keys(keys) for keys in self._step_keys] for event, script in self._hot.items()
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._move = self._client.script(MOVE)
        self._moved = False

    async def open(self) -> None:
        """See `scp.ports.Ledger`."""
        await RedisBacked.open(self)
        await self._move_all()

    async def _move_all(self) -> None:
        """Move what is in an earlier layout, once: at the first sweep if the server was not there before."""
        if not self._moved:
            await move_all(self._move, self._keys, self._node, BUCKETS)
            self._moved = True

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
        bucket, seed = _split(reservation_id)
        value = None if bucket < 0 else await self._ask("HGET", self._key(bucket, "res"), seed)
        return None if value is None else _read(decode, reservation_id, value)

    async def reserve(self, reservation: Reservation, step: Step) -> Outcome:
        """See `scp.ports.Ledger`; the id has to be one of `scp.domain.reservation.reservation_id`."""
        body = encode_body(reservation)
        answer = await self._step(reservation.id, step, reservation.account.encode(), body, BODY)
        return _outcome(reservation.id, answer)

    async def step(self, reservation_id: str, step: Step) -> Outcome:
        """See `scp.ports.Ledger`."""
        answer = await self._step(reservation_id, step, b"", b"", BODY)
        return Outcome(Result.UNKNOWN) if answer is None else _outcome(reservation_id, answer)

    async def _step(self, reservation_id: str, step: Step, account: bytes, body: bytes, flag: str) -> _Answer:
        """Return the script's answer; None: that is no id."""
        bucket, seed = _split(reservation_id)
        if bucket < 0:
            return None
        arguments = (seed, _numbers(step), account, body, flag)
        answer: _Answer = await answered(self._steps[step.event](self._step_keys[bucket], arguments))
        return answer

    def ask_step(
        self, reservation_id: str, step: Step, waiter: StepWaiter, new: Reservation | None = None
    ) -> None:
        """See `scp.ports.LedgerSteps`."""
        account, body = (b"", b"") if new is None else (new.account.encode(), encode_body(new))
        bucket, seed = _split(reservation_id)
        if not self._acknowledged and bucket >= 0:
            octets = b"%b$%d\r\n%b\r\n$32\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$1\r\nr\r\n" % (
                *(self._heads[step.event][bucket], len(seed), seed, _numbers(step)),
                *(len(account), account, len(body), body),
            )
            script = self._hot[step.event]
            if self._calls.send(_Asked(self._calls, script, bucket, octets, waiter, reservation_id)):
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
            answer = await self._step(reservation_id, step, account, body, RAISE)
            waiter.stepped(Stepped(Result.UNKNOWN) if answer is None else _stepped(reservation_id, answer))
        except StoreError as error:
            waiter.stepped(error)

    async def due(self, now_ms: int, most: int) -> list[str]:
        """See `scp.ports.Ledger`."""
        await self._move_all()
        found = await self._run_all(self._due, ("due", "res"), now_ms, most)
        return _whole_ids(found)[:most]

    async def unrecorded(self, most: int, known: Collection[str] = ()) -> list[Reservation]:
        """See `scp.ports.Ledger`."""
        found = await self._ask_all(f"cdr:{self._node}", "SRANDMEMBER", most + len(known))
        ids = [each for each in _whole_ids(found) if each not in known][:most]
        records = await asyncio.gather(*(self.reservation(each) for each in ids))
        return [record for record in records if record is not None]

    async def recorded(self, reservation_ids: Sequence[str]) -> None:
        """See `scp.ports.Ledger`."""
        buckets: dict[int, list[bytes]] = {}
        for each in reservation_ids:
            bucket, seed = _split(each)
            buckets.setdefault(bucket, []).append(seed)
        await asyncio.gather(
            *(
                run_script(self._recorded, self._keys(bucket, f"cdr:{self._node}", "res"), seeds)
                for bucket, seeds in buckets.items()
            )
        )

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.ports.Ledger`; ``most`` holds for each bucket."""
        return sum(await self._run_all(self._forget, ("past", "res"), before_ms, most))

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

    def _keys(self, bucket: int, *names: str) -> tuple[bytes, ...]:
        return tuple(self._key(bucket, name) for name in names)

    async def _ask_all(self, name: str, verb: str, *arguments: str | int) -> list[Any]:
        """Put one question to every bucket, all at once."""
        return await asyncio.gather(
            *(self._ask(verb, self._key(bucket, name), *arguments) for bucket in range(BUCKETS))
        )

    async def _run_all(self, script: AsyncScript, names: Sequence[str], *arguments: int) -> list[Any]:
        """Run a script in every bucket, all at once."""
        return await asyncio.gather(
            *(run_script(script, self._keys(bucket, *names), arguments) for bucket in range(BUCKETS))
        )

    async def _ask(self, verb: str, key: bytes, *words: bytes | str | int) -> Any:
        """Return the reply once enough replicas have what led to it."""
        return await answered(self._client.execute_command(verb, key, *words))


@final
class _Asked(HotCall):
    """A step on its way."""

    __slots__ = ("reservation_id", "waiter")

    def __init__(
        self,
        calls: HotCalls,
        script: HotScript,
        bucket: int,
        octets: bytes,
        waiter: StepWaiter,
        reservation_id: str,
    ) -> None:
        super().__init__(calls, script, bucket, octets)
        self.waiter = waiter
        self.reservation_id = reservation_id

    def answered(self, value: Reply) -> None:
        """Hand it over."""
        outcome: Stepped | StoreError
        try:
            outcome = _stepped(self.reservation_id, value)
        except StoreError as error:
            outcome = error
        self.waiter.stepped(outcome)

    def failed(self, error: str) -> None:
        """Tell the server's error."""
        self.waiter.stepped(translate(ResponseError(error)))

    def lost(self) -> None:
        """Tell that nothing will come: whether the step was done is not known."""
        self.waiter.stepped(StoreError("redis: the connection was lost", "unreachable"))


def _split(reservation_id: str) -> tuple[int, bytes]:
    """Return an id's bucket, and the rest as octets; a bucket of -1: it is no id."""
    bucket = _BUCKETS.get(reservation_id[:2], -1)
    try:
        seed = bytes.fromhex(reservation_id[2:])
    except ValueError:
        return -1, b""
    return (bucket, seed) if seed.hex() == reservation_id[2:] and seed else (-1, b"")


def _whole_ids(found: Sequence[Sequence[bytes]]) -> list[str]:
    """Return whole ids; ``found`` has the seeds of each bucket."""
    return [f"{bucket:02x}{seed.hex()}" for bucket, seeds in enumerate(found) for seed in seeds]


def _numbers(step: Step) -> bytes:
    return NUMBERS.pack(step.at_ms, step.amount, step.seconds, step.expires_ms)


def _stepped(reservation_id: str, answer: _Answer) -> Stepped:
    result, _, balance, held, number, was, granted, _, used, charged, _, _, body = answer
    after = STATES[number]
    spendable = (balance or 0) - held
    return Stepped(
        _RESULTS[result],
        after,
        spendable + was if after in OPEN else spendable,
        was,
        granted,
        used,
        charged,
        None if body is None else _whole(reservation_id, answer),
    )


def _outcome(reservation_id: str, answer: _Answer) -> Outcome:
    result = _RESULTS[answer[0]]
    _, msisdn, balance, held, state, *_ = answer
    return Outcome(
        result,
        None if balance is None else Account(msisdn.decode(), balance, held),
        None if state == _NONE or result is Result.NO_ACCOUNT else _whole(reservation_id, answer),
    )


def _whole(reservation_id: str, answer: _Answer) -> Reservation:
    _, account, _, _, state, held, granted, expires, used, charged, ended, steps, body = answer
    return structs.replace(
        _read(decode_body, reservation_id, account.decode(), body),
        state=STATES[state],
        held=held,
        granted_seconds=granted,
        expires_ms=expires,
        used_seconds=used,
        charged=charged,
        ended_ms=ended,
        steps=steps,
    )


def _read(decoder: Callable[..., Reservation], reservation_id: str, *arguments: Any) -> Reservation:
    try:
        return decoder(reservation_id, *arguments)
    except FormatError as error:
        raise StoreError(f"redis: reservation {reservation_id}: {error}", "foreign") from None
