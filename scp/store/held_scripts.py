"""Lua scripts that change held calls in Redis: `scp.store.held_rows` once more.

A value is the head and the record; a value without one is a deleted entry whose fencing number stays. The
head is the fencing number, 4 octets, the owner, 2, and the time at which somebody has to look after the call,
6 octets of milliseconds since 1970; all big endian. KEYS of every script: ``calls`` (hash: transaction id →
value), ``when`` (transaction ids by that time: `scp.store.redis_slots`), ``left`` (hash: transaction id →
messages).
"""

from __future__ import annotations

from typing import Final

from scp.held_call_ports import NOBODY
from scp.store.held_rows import MOST_LEFT
from scp.store.redis_slots import LOOK, PLACE

HEAD: Final = 12
"""Octets before the record."""

PUT: Final = f"""\
{PLACE}local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and string.sub(value, 1, 6) ~= string.sub(ARGV[2], 1, 6) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
place(KEYS[2], ARGV[1], struct.unpack('>I6', ARGV[2], 7), value and struct.unpack('>I6', value, 7))
return 1
"""
"""ARGV: transaction id, value. Returns 1, or 0: refused."""

DELETE: Final = f"""\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or string.sub(value, 1, 6) ~= string.sub(ARGV[2], 1, 6) then return 0 end
if struct.unpack('>I4', value) > 1 then
{PLACE}  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  place(KEYS[2], ARGV[1], struct.unpack('>I6', ARGV[2], 7), struct.unpack('>I6', value, 7))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
"""
"""ARGV: transaction id, head of what stays. Returns 1, or 0: refused."""

CLAIM: Final = f"""\
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or #value == {HEAD} or struct.unpack('>I4', value) ~= tonumber(ARGV[2]) then return false end
value = struct.pack('>I4I2', ARGV[2] + 1, ARGV[3]) .. string.sub(value, 7)
redis.call('HSET', KEYS[1], ARGV[1], value)
local left = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return {{value, left or ''}}
"""
"""ARGV: transaction id, fencing number, next owner. Returns value and messages, or nil: refused."""

RELEASE: Final = f"""\
{PLACE}local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or #value == {HEAD} or (ARGV[2] ~= '' and string.sub(value, 1, 6) ~= ARGV[2]) then return 0 end
local fence, _, due = struct.unpack('>I4I2I6', value)
if ARGV[3] ~= '' then
  place(KEYS[2], ARGV[1], 0, due)
  due = 0
  local left = redis.call('HGET', KEYS[3], ARGV[1]) or ''
  if #left + #ARGV[3] - 2 < {MOST_LEFT} then redis.call('HSET', KEYS[3], ARGV[1], left .. ARGV[3]) end
end
redis.call('HSET', KEYS[1], ARGV[1],
  struct.pack('>I4I2I6', fence + 1, {NOBODY}, due) .. string.sub(value, {HEAD + 1}))
return 1
"""
"""ARGV: transaction id, fence and owner ("": any), a framed message or "". Returns 1, or 0: refused."""

DUE: Final = f"""\
{LOOK}local now = tonumber(ARGV[1])
local found = look(KEYS[2], now, tonumber(ARGV[2]), function(tid)
  local value = redis.call('HGET', KEYS[1], tid)
  if not value then return false end
  local due = struct.unpack('>I6', value, 7)
  if #value > {HEAD} or due > now then return due end
  redis.call('HDEL', KEYS[1], tid)
  redis.call('HDEL', KEYS[3], tid)
  return false
end)
local entries = {{}}
for _, tid in ipairs(found) do
  entries[#entries + 1] = tid
  entries[#entries + 1] = redis.call('HGET', KEYS[1], tid)
end
return entries
"""
"""ARGV: now, how many at the most. Returns transaction ids and values by turns."""
