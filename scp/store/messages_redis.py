"""Text messages in Redis (`scp.message_ports.MessageStore`), shared by several nodes.

All keys have one hash tag, so that one script changes what belongs together: in a cluster they are on one
server, which carries many times what an SMSC takes from a bind::

    {PREFIX:m}:m:ID         hash  version, state, body …
    {PREFIX:m}:due          sorted set  id → when something is to be done about it
    {PREFIX:m}:queued       sorted set  id → when its validity ends, of those that wait to be sent
    {PREFIX:m}:for:RECIPIENT  set  ids of those to a recipient that wait to be sent
    {PREFIX:m}:over         sorted set  id → since when it is over
    {PREFIX:m}:sending:NODE set   ids
    {PREFIX:m}:references   hash  the carrier's id of a part → id
    {PREFIX:m}:to:RECIPIENT:REFERENCE  sorted set  id → when it was made; it expires by itself
    {PREFIX:m}:events       stream  seq-0 → body
    {PREFIX:m}:seq          counter
    {PREFIX:m}:piece:…      hash  number of the part → body; it expires by itself

A change is acknowledged as a subscriber's record is (`scp.store.redis`): when ``acks`` replicas have it.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
from msgspec import structs

from scp.domain.message import Event, Message, Received, State
from scp.message_ports import SeqEvent
from scp.store.message_format import joined, received_event
from scp.store.redis_backed import RedisBacked
from scp.store.redis_errors import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.message_ports import Piece
    from scp.store.redis_url import RedisUrl

_KEEP_SECONDS: Final = 8 * 86_400
"""How long a message is found by our own reference, and parts wait for the others."""

_APPEND: Final = """\
local function append(tag, at, body)
  local seq = redis.call('INCR', tag .. 'seq')
  redis.call('XADD', tag .. 'events', seq .. '-0', 'a', at, 'b', body)
end
"""

PUT: Final = (
    _APPEND
    + f"""\
local tag, key, id = KEYS[1], KEYS[2], ARGV[1]
local there = redis.call('HGET', key, 'version')
if (there or '0') ~= ARGV[2] then
  return {{0, redis.call('HGET', key, 'body')}}
end
local was = redis.call('HMGET', key, 'state', 'node')
if was[1] == '{State.SENDING}' then redis.call('SREM', tag .. 'sending:' .. was[2], id) end
redis.call('HSET', key, 'version', ARGV[3], 'state', ARGV[4], 'node', ARGV[5], 'body', ARGV[6])
local due, expires, changed = tonumber(ARGV[7]), ARGV[8], ARGV[9]
if due > 0 then
  redis.call('ZADD', tag .. 'due', due, id)
  redis.call('ZREM', tag .. 'over', id)
else
  redis.call('ZREM', tag .. 'due', id)
  redis.call('ZADD', tag .. 'over', changed, id)
end
local theirs = tag .. 'for:' .. ARGV[13]
if due > 0 and ARGV[4] == '{State.QUEUED}' then
  redis.call('ZADD', tag .. 'queued', expires, id)
  redis.call('SADD', theirs, id)
else
  redis.call('ZREM', tag .. 'queued', id)
  redis.call('SREM', theirs, id)
end
if ARGV[4] == '{State.SENDING}' then redis.call('SADD', tag .. 'sending:' .. ARGV[5], id) end
if not there then
  redis.call('ZADD', KEYS[3], ARGV[10], id)
  redis.call('EXPIRE', KEYS[3], {_KEEP_SECONDS})
end
if ARGV[11] ~= '' then append(tag, ARGV[12], ARGV[11]) end
for n = 14, #ARGV do redis.call('HSET', tag .. 'references', ARGV[n], id) end
return {{1, false}}
"""
)
"""KEYS: what all keys begin with, the message's, that of its recipient and reference. ARGV: id, the version
that has to be there, the next one, state, node, body, due, expires, changed, created, event ("": none) and
its time, recipient, the carrier's references. Returns 1, or 0 and the body that is there."""

RECEIVE: Final = (
    _APPEND
    + """\
local tag, key, total = KEYS[1], KEYS[2], tonumber(ARGV[1])
if ARGV[4] ~= '' then
  if redis.call('DEL', key) == 0 then return 0 end
  append(tag, ARGV[3], ARGV[4])
  return 1
end
redis.call('HSET', key, ARGV[2], ARGV[5])
redis.call('EXPIRE', key, ARGV[6])
local found = redis.call('HGETALL', key)
return #found == 2 * total and found or {}
"""
)
"""KEYS: what all keys begin with, the parts'. ARGV: how many there are, the number of this one, its time, the
event of the whole ("": keep a part), the part, seconds to keep it. Returns all parts once they are there."""

EVENT: Final = _APPEND + "append(KEYS[1], ARGV[1], ARGV[2])\nreturn 1\n"
"""KEYS: what all keys begin with. ARGV: time, event."""

FORGET: Final = """\
local tag, count = KEYS[1], 0
local over = redis.call('ZRANGEBYSCORE', tag .. 'over', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(over) do
  local body = redis.call('HGET', tag .. 'm:' .. id, 'body')
  if body then
    for _, part in ipairs(cjson.decode(body).parts) do
      if type(part) == 'table' and part.reference and part.reference ~= '' then
        redis.call('HDEL', tag .. 'references', part.reference)
      end
    end
  end
  redis.call('DEL', tag .. 'm:' .. id)
  redis.call('ZREM', tag .. 'over', id)
  count = count + 1
end
for _, each in ipairs(redis.call('XRANGE', tag .. 'events', '-', '+', 'COUNT', 4 * ARGV[2])) do
  if tonumber(each[2][2]) >= tonumber(ARGV[1]) then break end
  redis.call('XDEL', tag .. 'events', each[1])
end
return count
"""
"""KEYS: what all keys begin with. ARGV: before when, how many messages to look at."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode
_decode_received: Final = msgspec.json.Decoder(Received).decode


@final
class RedisMessages(RedisBacked):
    """`scp.message_ports.MessageStore` on Redis 6 or later. Use it from one event loop."""

    def __init__(self, url: RedisUrl) -> None:
        super().__init__(url)
        self._client = self._deployment.writes  # also for questions: a repeated answer must last
        self._put = self._client.script(PUT)
        self._receive = self._client.script(RECEIVE)
        self._event = self._client.script(EVENT)
        self._forget = self._client.script(FORGET)
        self._tag = f"{{{url.prefix}:m}}:".encode()

    # --- messages ---

    async def add(self, message: Message, event: Event) -> tuple[Message, bool]:
        """See `scp.message_ports.MessageStore`."""
        done, there = await self._write(message, event)
        return (_decode(there), False) if done is None else (done, True)

    async def get(self, message_id: str) -> Message | None:
        """See `scp.message_ports.MessageStore`."""
        body = await self._ask("HGET", self._key(f"m:{message_id}"), "body")
        return None if body is None else _decode(body)

    async def put(self, message: Message, event: Event | None) -> Message | None:
        """See `scp.message_ports.MessageStore`."""
        done, _ = await self._write(message, event)
        return done

    async def _write(self, message: Message, event: Event | None) -> tuple[Message | None, bytes]:
        """Compare and set; return what was written, or what is there instead."""
        new = structs.replace(message, version=message.version + 1)
        keys = (self._tag, self._key(f"m:{new.id}"), self._key(f"to:{new.recipient}:{new.reference}"))
        arguments = (
            *(new.id, message.version, new.version, new.state.value, new.node, _encode(new)),
            *(new.due_ms, new.expires_ms, new.changed_ms, new.created_ms),
            *(("", 0) if event is None else (_encode(event), event.at_ms)),
            new.recipient,
            *(part.reference for part in new.parts if part.reference),
        )
        done, there = await answered(self._put(keys, arguments))
        return (new, b"") if done else (None, there)

    async def find(self, reference: str, recipient: str, own_reference: int) -> Message | None:
        """See `scp.message_ports.MessageStore`."""
        if reference:
            message_id = await self._ask("HGET", self._key("references"), reference)
            if message_id is not None:
                return await self.get(message_id.decode())
        ids = await self._ask("ZREVRANGE", self._key(f"to:{recipient}:{own_reference}"), 0, -1)
        for message in await self._all(ids):
            if any(not part.reference for part in message.parts):
                return message
        return None

    async def due(self, now_ms: int, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._until("due", now_ms, most)

    async def expired(self, now_ms: int, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._until("queued", now_ms, most)

    async def waiting(self, recipient: str, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        ids = await self._ask("SRANDMEMBER", self._key(f"for:{recipient}"), most)
        return [each for each in await self._all(ids) if each.state is State.QUEUED]

    async def sending(self, node: str) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._all(await self._ask("SMEMBERS", self._key(f"sending:{node}")))

    async def open_messages(self) -> tuple[int, int]:
        """See `scp.message_ports.MessageStore`."""
        count = await self._ask("ZCARD", self._key("due"))
        first = await self._ask("ZRANGE", self._key("due"), 0, 0, "WITHSCORES")
        return count, int(float(first[1])) if first else 0

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.message_ports.MessageStore`; parts that wait for others expire by themselves."""
        count: int = await answered(self._forget([self._tag], [before_ms, most]))
        return count

    # --- what comes in, what happened ---

    async def receive(self, piece: Piece) -> Received | None:
        """See `scp.message_ports.MessageStore`.

        The parts are put together here, and exchanged for the event of the whole in one step: if that is done
        by two nodes, or again after a crash, one of them does it.
        """
        if piece.total == 1:
            event = received_event(piece.whole)
            await answered(self._event([self._tag], [event.at_ms, _encode(event)]))
            return piece.whole
        whose = f"{piece.whole.sender}\0{piece.whole.recipient}\0{piece.reference}\0{piece.total}"
        key = self._key(f"piece:{hashlib.blake2b(whose.encode(), digest_size=12).hexdigest()}")
        part = (piece.total, piece.number, piece.whole.at_ms, "", _encode(piece.whole), _KEEP_SECONDS)
        flat = await answered(self._receive([self._tag, key], part))
        if not flat:
            return None
        parts = {
            int(number): _decode_received(body) for number, body in zip(flat[::2], flat[1::2], strict=True)
        }
        whole = joined([parts[number] for number in sorted(parts)])
        event = received_event(whole)
        arguments = (piece.total, 0, event.at_ms, _encode(event), "", 0)
        return whole if await answered(self._receive([self._tag, key], arguments)) else None

    async def events(self, after: int, most: int) -> list[SeqEvent]:
        """See `scp.message_ports.MessageStore`."""
        found = await self._ask("XRANGE", self._key("events"), f"{after + 1}-0", "+", "COUNT", most)
        return [SeqEvent(int(seq.partition(b"-")[0]), fields[b"b"].decode()) for seq, fields in found]

    # --- talking to Redis ---

    def _key(self, name: str) -> bytes:
        return self._tag + name.encode()

    async def _until(self, name: str, now_ms: int, most: int) -> list[Message]:
        ids = await self._ask("ZRANGEBYSCORE", self._key(name), "-inf", now_ms, "LIMIT", 0, most)
        return await self._all(ids)

    async def _all(self, ids: Sequence[bytes]) -> list[Message]:
        """Return the messages of these ids that there are, in their order."""
        found = await asyncio.gather(*(self.get(each.decode()) for each in ids))
        return [message for message in found if message is not None]

    async def _ask(self, verb: str, key: bytes, *words: str | int) -> Any:
        """Return the reply once enough replicas have what led to it."""
        return await answered(self._client.execute_command(verb, key, *words))
