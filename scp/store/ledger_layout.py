"""Brings the reservations of an earlier layout of the ledger in Redis into that of `scp.store.ledger_redis`.

They were a hash each (``r:ID``, its body JSON). Sorted sets ``open`` and ``ended`` and a set ``out:NODE`` had
their ids.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from scp.domain.reservation import State
from scp.store.redis_errors import answered
from scp.store.redis_slots import PLACE
from scp.store.reservation_format import END, HEAD, STATES, UNRECORDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.commands.core import AsyncScript

AT_ONCE: Final = 500
_NUMBERS: Final = ", ".join(f"['{state}'] = {number}" for number, state in enumerate(STATES))
MOVE: Final = f"""\
{PLACE}local numbers = {{{_NUMBERS}}}
local function moved(text)
  local id = string.gsub(string.sub(text, 3), '%x%x', function(two) return string.char(tonumber(two, 16)) end)
  local r = redis.call('HMGET', KEYS[4] .. text, 'state', 'held', 'granted', 'expires', 'steps', 'used',
    'charged', 'ended', 'recorded', 'account', 'body')
  if not r[1] then return end
  for at = 2, 8 do r[at] = tonumber(r[at] or 0) end
  local open = r[1] == '{State.RESERVED}' or r[1] == '{State.EXTENDED}'
  local state = numbers[r[1]] + (r[9] == '0' and {UNRECORDED} or 0)
  redis.call('HSET', KEYS[5], id, struct.pack('{HEAD}', state, r[2], r[3], r[4], r[5])
    .. (open and '' or struct.pack('{END}', r[6], r[7], r[8])) .. struct.pack('Bc0', #r[10], r[10]) .. r[11])
  if open then
    place(KEYS[6], id, r[4])
  else
    redis.call('RPUSH', KEYS[7], id)
  end
  if redis.call('SREM', KEYS[3], text) == 1 then redis.call('SADD', KEYS[8], id) end
  redis.call('DEL', KEYS[4] .. text)
end
local count = 0
for each = 1, 2 do
  local ids = redis.call('ZRANGE', KEYS[each], 0, {AT_ONCE - 1})
  for _, text in ipairs(ids) do
    moved(text)
    redis.call('ZREM', KEYS[each], text)
  end
  count = count + #ids
end
return count
"""
"""KEYS: open, ended, out, what reservations' keys began with; res, due, past, cdr. Returns how many."""


async def move_all(
    script: AsyncScript, keys: Callable[..., tuple[bytes, ...]], node: str, buckets: int
) -> None:
    """Move what there is, once. Raises `StoreError`.

    Args:
        script: `MOVE`.
        keys: returns a bucket's keys of these names.
        node: whose CDRs are to be written.
        buckets: how many there are.
    """
    names = ("open", "ended", f"out:{node}", "r:", "res", "due", "past", f"cdr:{node}")

    async def move(bucket: int) -> None:
        while await answered(script(keys(bucket, *names))):
            pass

    await asyncio.gather(*(move(bucket) for bucket in range(buckets)))
