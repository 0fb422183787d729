"""The Lua scripts of the ledger. What a step does is `scp.domain.reservation.TABLE`, written out as Lua."""

from __future__ import annotations

from typing import Final

from scp.domain.reservation import TABLE, Effect, Result

_ROWS: Final = "".join(
    f"['{state} {event}'] = {{'{row.effect}', '{row.next}'}},\n" for (state, event), row in TABLE.items()
)

STEP: Final = f"""\
local ROWS = {{
{_ROWS}}}
local found, account = redis.call('HGET', KEYS[1], 'state') or 'none', redis.call('HGET', KEYS[1], 'account')
account = account or ARGV[7]
local function number(key, field) return tonumber(redis.call('HGET', key, field)) end
local balance, held = number(KEYS[2], account), number(KEYS[3], account) or 0
local function answer(result)
  return {{result, account, balance or false, held, redis.call('HGETALL', KEYS[1])}}
end
local row = ROWS[found .. ' ' .. ARGV[1]]
if not row then return answer(found == 'none' and '{Result.UNKNOWN}' or '{Result.REFUSED}') end
local effect = row[1]
if effect == '{Effect.REPEAT}' then return answer('{Result.REPEATED}') end
local id, at, amount, seconds = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local was = number(KEYS[1], 'held') or 0
if not balance and (amount ~= 0 or was ~= 0) then
  return {{'{Result.NO_ACCOUNT}', account, false, 0, {{}}}}
end
local function move(key, by)
  if by ~= 0 then redis.call('HINCRBY', key, account, by) end
  return number(key, account) or 0
end
local free = (balance or 0) - held
if effect == '{Effect.HOLD}' then
  if amount - was > free then return answer('{Result.INSUFFICIENT}') end
  held = move(KEYS[3], amount - was)
  redis.call('HSET', KEYS[1], 'held', amount, 'granted', seconds, 'expires', ARGV[6])
  redis.call('ZADD', KEYS[4], ARGV[6], id)
else
  if effect ~= '{Effect.CHARGE_LATE}' and effect ~= '{Effect.CHARGE_USED_LATE}' then
    held = move(KEYS[3], -was)
    free = free + was
  end
  if effect ~= '{Effect.FREE}' then
    local charged = math.min(amount, math.max(free, 0))
    if effect == '{Effect.CHARGE}' or effect == '{Effect.CHARGE_LATE}' then
      charged = math.min(charged, was)
    end
    balance = balance and move(KEYS[2], -charged)
    redis.call('HINCRBY', KEYS[7], 'charged', charged)
    redis.call('HSET', KEYS[1], 'charged', charged, 'used', seconds, 'recorded', 0)
    redis.call('SADD', KEYS[6], id)
  end
  redis.call('HSET', KEYS[1], 'ended', at)
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZADD', KEYS[5], at, id)
end
if found == 'none' then redis.call('HSET', KEYS[1], 'account', account, 'body', ARGV[8]) end
redis.call('HSET', KEYS[1], 'state', row[2])
redis.call('HINCRBY', KEYS[1], 'steps', 1)
return answer('{Result.DONE}')
"""
"""KEYS: reservation, balances, held, open, ended, out, sums. ARGV: event, id, at, amount, seconds, expires,
and for a new one account and body. Returns result, account, balance, held, the reservation's fields."""

CREDIT: Final = f"""\
local account, amount = ARGV[1], tonumber(ARGV[3])
local balance = tonumber(redis.call('HGET', KEYS[2], account) or 0)
local held = tonumber(redis.call('HGET', KEYS[3], account) or 0)
local before = redis.call('HGET', KEYS[1], ARGV[2])
if before then
  return {{tonumber(before) == amount and '{Result.REPEATED}' or '{Result.REFUSED}', balance, held}}
end
if balance - held + amount < 0 or balance + amount > tonumber(ARGV[4]) then
  return {{'{Result.INSUFFICIENT}', balance, held}}
end
balance = redis.call('HINCRBY', KEYS[2], account, amount)
redis.call('HSET', KEYS[1], ARGV[2], amount)
redis.call('HINCRBY', KEYS[4], 'credited', amount)
return {{'{Result.DONE}', balance, held}}
"""
"""KEYS: the account's credits, balances, held, sums. ARGV: account, id, amount, the most a balance may be."""

RECORDED: Final = """\
for _, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[2] .. id) == 1 then redis.call('HSET', KEYS[2] .. id, 'recorded', 1) end
  redis.call('SREM', KEYS[1], id)
end
return #ARGV
"""
"""KEYS: out, what reservations' keys begin with. ARGV: ids."""

FORGET: Final = """\
local count = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if redis.call('HGET', KEYS[2] .. id, 'recorded') ~= '0' then
    redis.call('DEL', KEYS[2] .. id)
    redis.call('ZREM', KEYS[1], id)
    count = count + 1
  end
end
return count
"""
"""KEYS: ended, what reservations' keys begin with. ARGV: before when, how many to look at."""
