"""Lua scripts that change held calls in Redis: `scp.store.held_rows` once more.

A value is the head (fencing number, 4 octets, and owner, 2, big endian) and the record; a value of 6 octets
is a deleted entry whose fencing number stays. KEYS of every script: ``calls`` (hash: transaction id →
value), ``due`` (sorted set: transaction id → milliseconds since 1970), ``left`` (hash: transaction id →
messages).
"""

from __future__ import annotations

from typing import Final

from scp.held_call_ports import NOBODY
from scp.store.held_rows import FENCE_KEPT_MS, MOST_LEFT

HEAD: Final = 6
"""Octets before the record."""

PUT: Final = """\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.sub(value, 1, 6) ~= string.sub(ARGV[2], 1, 6) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
"""
"""ARGV: transaction id, value, due. Returns 1, or 0: refused."""

DELETE: Final = f"""\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or string.sub(value, 1, 6) ~= ARGV[2] then return 0 end
if struct.unpack('>I4', value) > 1 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], tonumber(ARGV[3]) + {FENCE_KEPT_MS}, ARGV[1])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
"""
"""ARGV: transaction id, head, now. Returns 1, or 0: refused."""

CLAIM: Final = """\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or #value == 6 or struct.unpack('>I4', value) ~= tonumber(ARGV[2]) then return false end
value = struct.pack('>I4I2', ARGV[2] + 1, ARGV[3]) .. string.sub(value, 7)
redis.call('HSET', KEYS[1], ARGV[1], value)
local left = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return {value, left or ''}
"""
"""ARGV: transaction id, fencing number, next owner. Returns value and messages, or nil: refused."""

RELEASE: Final = f"""\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or #value == 6 or (ARGV[2] ~= '' and string.sub(value, 1, 6) ~= ARGV[2]) then return 0 end
local fence = struct.unpack('>I4', value)
redis.call('HSET', KEYS[1], ARGV[1], struct.pack('>I4I2', fence + 1, {NOBODY}) .. string.sub(value, 7))
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  local left = redis.call('HGET', KEYS[3], ARGV[1]) or ''
  if #left + #ARGV[3] - 2 < {MOST_LEFT} then redis.call('HSET', KEYS[3], ARGV[1], left .. ARGV[3]) end
end
return 1
"""
"""ARGV: transaction id, head ("": any owner's), a framed message or "". Returns 1, or 0: refused."""

DUE: Final = """\
local found = {}
for _, tid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local value = redis.call('HGET', KEYS[1], tid)
  if value and #value > 6 then
    found[#found + 1] = tid
    found[#found + 1] = value
  else
    redis.call('ZREM', KEYS[2], tid)
    redis.call('HDEL', KEYS[1], tid)
    redis.call('HDEL', KEYS[3], tid)
  end
end
return found
"""
"""ARGV: now, how many at the most. Returns transaction ids and values by turns."""
