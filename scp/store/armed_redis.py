"""Which M-CSIs are armed, in Redis, where the nodes share it (`scp.map_ports.ArmedStore`).

All keys have one hash tag, so that one script changes what belongs together: how many subscribers a second
there are to change, the HLR says and not Redis::

    {PREFIX:a}:armed   hash        MSISDN → record
    {PREFIX:a}:due     sorted set  MSISDN → when a node has to look after it
    {PREFIX:a}:counts  hash        state → subscribers
    {PREFIX:a}:rate    hash        a token bucket: how many more may be claimed

A change is acknowledged as a subscriber's record is (`scp.store.redis`): when ``acks`` replicas have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import msgspec

from scp.domain.armed import Armed, ArmState
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.armed import ArmedChange
    from scp.store.redis_url import RedisUrl

CHANGE: Final = """\
local done = {}
for i = 1, #ARGV, 6 do
  local who, there, new = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if (redis.call('HGET', KEYS[1], who) or '') ~= there then
    done[#done + 1] = 0
  else
    done[#done + 1] = 1
    if there ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[i + 2], -1) end
    if new == '' then
      redis.call('HDEL', KEYS[1], who)
    else
      redis.call('HSET', KEYS[1], who, new)
      redis.call('HINCRBY', KEYS[3], ARGV[i + 4], 1)
    end
    if ARGV[i + 5] == '0' then
      redis.call('ZREM', KEYS[2], who)
    else
      redis.call('ZADD', KEYS[2], ARGV[i + 5], who)
    end
  end
end
return done
"""
"""KEYS: records, due, counts. ARGV, for each: MSISDN, the record that has to be there and its state, the new
record, its state, when it is due (0: never); "" for none. Returns 1 for each that was done."""

CLAIM: Final = """\
local most, rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local tokens, now = most, 0
if rate > 0 then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
  local before = redis.call('HMGET', KEYS[4], 'tokens', 'at')
  tokens = math.max(rate, 1)
  if before[1] then
    tokens = math.min(tokens, before[1] + math.max(now - before[2], 0) * rate)
  end
  most = math.min(most, math.floor(tokens))
end
local found = most > 0 and redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, most) or {}
if rate > 0 and #found > 0 then
  redis.call('HSET', KEYS[4], 'tokens', tostring(tokens - #found), 'at', string.format('%.6f', now))
end
local records = {}
for _, who in ipairs(found) do
  redis.call('ZADD', KEYS[2], ARGV[2], who)
  records[#records + 1] = redis.call('HGET', KEYS[1], who)
end
return {records, redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')}
"""
"""KEYS: as above, and the token bucket. ARGV: now, when the claim ends, how many at most, how many a second
(0: any). Returns records, and what is due next. The bucket goes by Redis' clock."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Armed).decode
_AT_ONCE: Final = 1000


@final
class RedisArmed(RedisBacked):
    """`scp.map_ports.ArmedStore` on Redis 6 or later. Use it from one event loop."""

    def __init__(self, url: RedisUrl) -> None:
        super().__init__(url)
        self._client = self._deployment.writes
        self._change = self._client.script(CHANGE)
        self._claim = self._client.script(CLAIM)
        tag = f"{{{url.prefix}:a}}:".encode()
        self._keys = [tag + b"armed", tag + b"due", tag + b"counts", tag + b"rate"]

    async def wanted(self) -> dict[str, bool]:
        """See `scp.map_ports.ArmedStore`."""
        known: dict[str, bool] = {}
        cursor = 0
        while True:
            cursor, found = await self._ask("HSCAN", self._keys[0], cursor, "COUNT", _AT_ONCE)
            for body in found.values():
                armed = _decode(body)
                known[armed.msisdn] = armed.on
            if not cursor:
                return known

    async def get(self, msisdns: Sequence[str]) -> list[Armed | None]:
        """See `scp.map_ports.ArmedStore`."""
        if not msisdns:
            return []
        bodies = await self._ask("HMGET", self._keys[0], *msisdns)
        return [None if body is None else _decode(body) for body in bodies]

    async def change(self, changes: Sequence[ArmedChange]) -> list[bool]:
        """See `scp.map_ports.ArmedStore`."""
        if not changes:
            return []
        words: list[str | bytes | int] = []
        for msisdn, there, new in changes:
            words += [msisdn, *_body(there), *_body(new), 0 if new is None else new.due_ms]
        return [bool(each) for each in await answered(self._change(self._keys, words))]

    async def claim(
        self, now_ms: int, until_ms: int, most: int, rate: float = 0.0
    ) -> tuple[list[Armed], int]:
        """See `scp.map_ports.ArmedStore`."""
        bodies, first = await answered(self._claim(self._keys, [now_ms, until_ms, most, rate]))
        return [_decode(body) for body in bodies], int(float(first[1])) if first else 0

    async def counts(self) -> dict[ArmState, int]:
        """See `scp.map_ports.ArmedStore`."""
        numbers = await self._ask("HMGET", self._keys[2], *ArmState)
        return {state: int(number or 0) for state, number in zip(ArmState, numbers, strict=True)}

    async def _ask(self, verb: str, key: bytes, *words: str | int) -> Any:
        return await answered(self._client.execute_command(verb, key, *words))


def _body(armed: Armed | None) -> tuple[bytes, str]:
    """Return a record's octets and its state."""
    return (b"", "") if armed is None else (_encode(armed), armed.state.value)
