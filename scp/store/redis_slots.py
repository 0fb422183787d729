"""Ids by the time at which each is to be looked at, in a dozen octets each; a sorted set takes a hundred.

Time is in slots of `SLOT_MS`: a list of ids for each (``KEY:SLOT``), and a sorted set ``KEY`` of the slots
that there are. An id lies in the slot of its time or, if that was put off since, in an earlier one, and stays
when it is over: who looks moves it along then, or drops it. So a time that is put off costs nothing. When its
time is brought forward an id is placed once more.
"""

from __future__ import annotations

from typing import Final

SLOT_MS: Final = 1 << 14
MOST_LOOKED_AT: Final = 10_000
"""Ids that one script looks at."""

PLACE: Final = f"""\
local function place(key, id, at, before)
  local slot = math.floor(at / {SLOT_MS})
  if before and slot >= math.floor(before / {SLOT_MS}) then return end
  if redis.call('RPUSH', key .. ':' .. slot, id) == 1 then redis.call('ZADD', key, slot, slot) end
end
"""
"""Lua: place an id whose time is ``at``, in milliseconds; ``before``: the time that it had, nil: none."""

LOOK: Final = f"""\
{PLACE}local function look(key, now, most, time_of)
  local found, seen, left = {{}}, {{}}, {MOST_LOOKED_AT}
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', math.floor(now / {SLOT_MS}))) do
    if #found == most or left == 0 then break end
    local list = key .. ':' .. slot
    local ids = redis.call('LRANGE', list, 0, left - 1)
    left = left - #ids
    local stay = {{}}
    for _, id in ipairs(ids) do
      local at = not seen[id] and time_of(id)
      seen[id] = true
      if at and (at <= now or math.floor(at / {SLOT_MS}) <= tonumber(slot)) then
        stay[#stay + 1] = id
        if at <= now and #found < most then found[#found + 1] = id end
      elseif at then
        place(key, id, at)
      end
    end
    if #stay < #ids then
      redis.call('LTRIM', list, #ids, -1)
      for _, id in ipairs(stay) do redis.call('RPUSH', list, id) end
    end
    if #stay == 0 and redis.call('EXISTS', list) == 0 then redis.call('ZREM', key, slot) end
  end
  return found
end
"""
"""Lua: return ``most`` ids whose time has come; ``time_of`` says when that of one is, false: it is over."""
