"""The Lua scripts of the ledger. What a step does is `scp.domain.reservation.TABLE`, written out as Lua."""

from __future__ import annotations

from struct import Struct
from typing import Final

from scp.domain.reservation import TABLE, Effect, Event, Result

ARGUMENTS: Final = 5
"""Of a step's script."""
NUMBERS: Final = Struct(">qqqq")
"""Its second: when, the amount, seconds, the expiry."""
BODY: Final = "b"
"""Its last argument: the answer has the reservation's body."""
RAISE: Final = "r"
"""Its last argument: to extend to no more than is granted is REPEATED. A charge's answer has the body."""


def _chosen(event: Event) -> str:
    """Return Lua that finds the row of a state: a chain of comparisons, since a table is built each time."""
    rows = {state: row for (state, asked), row in TABLE.items() if asked is event}
    return "else".join(
        f"if state == '{state}' then effect, after = '{row.effect}', '{row.next}'\n"
        for state, row in rows.items()
    )


_HOLD: Final = f"""\
  if amount - was > free then steps = steps - 1 return answer('{Result.INSUFFICIENT}') end
  if amount ~= was then held = redis.call('HINCRBY', KEYS[3], account, amount - was) end
  granted, expires = seconds, until_ms
  redis.call('ZADD', KEYS[4], expires, id)
  if state == 'none' then
    redis.call('HSET', KEYS[1], 'state', after, 'held', amount, 'granted', granted, 'expires', expires,
      'steps', steps, 'account', account, 'body', ARGV[4])
  else
    redis.call('HSET', KEYS[1], 'state', after, 'held', amount, 'granted', granted, 'expires', expires,
      'steps', steps)
  end
  state, was = after, amount
  return answer('{Result.DONE}')
"""
"""How `step_script` holds an amount: a new reservation, or more for one that there is."""
_END: Final = f"""\
if effect ~= '{Effect.CHARGE_LATE}' and effect ~= '{Effect.CHARGE_USED_LATE}' then
  if was ~= 0 then held = redis.call('HINCRBY', KEYS[3], account, -was) end
  free = free + was
end
ended = at
redis.call('HSET', KEYS[1], 'state', after, 'ended', at, 'steps', steps)
if effect ~= '{Effect.FREE}' then
  charged = math.min(amount, math.max(free, 0))
  if effect == '{Effect.CHARGE}' or effect == '{Effect.CHARGE_LATE}' then charged = math.min(charged, was) end
  used = seconds
  if charged ~= 0 then
    balance = redis.call('HINCRBY', KEYS[2], account, -charged)
    redis.call('HINCRBY', KEYS[7], 'charged', charged)
  end
  redis.call('HSET', KEYS[1], 'charged', charged, 'used', used, 'recorded', 0)
  redis.call('SADD', KEYS[6], id)
  body = body or ARGV[5] == '{RAISE}'
end
if state == 'none' then redis.call('HSET', KEYS[1], 'account', account, 'body', ARGV[4]) end
redis.call('ZREM', KEYS[4], id)
redis.call('ZADD', KEYS[5], ended, id)
state = after
return answer('{Result.DONE}')
"""
"""How `step_script` ends a reservation: what it held is free, and what was used is charged."""


def step_script(event: Event) -> str:
    """Return the script that applies one event to a reservation.

    KEYS: reservation, balances, held, open, ended, out, sums. ARGV: id; `NUMBERS`; for a new one account and
    body; `BODY`, `RAISE` or "". Returns result; account; balance, nil without an account; what is held of it;
    and of the reservation state, held, granted seconds, expiry, used seconds, charge, end, steps, body.
    """
    return f"""\
local r = redis.call('HMGET', KEYS[1], 'state', 'account', 'held', 'granted', 'expires', 'used', 'charged',
  'ended', 'steps')
local state, account, was, granted, expires = r[1] or 'none', r[2] or ARGV[3], tonumber(r[3] or 0), r[4], r[5]
local used, charged, ended, steps = r[6], r[7], r[8], tonumber(r[9] or 0)
local balance = tonumber(redis.call('HGET', KEYS[2], account))
local held = tonumber(redis.call('HGET', KEYS[3], account) or 0)
local body = ARGV[5] == '{BODY}'
local function answer(result)
  return {{result, account, balance or false, held, state, was, tonumber(granted or 0),
    tonumber(expires or 0), tonumber(used or 0), tonumber(charged or 0), tonumber(ended or 0), steps,
    body and redis.call('HGET', KEYS[1], 'body')}}
end
local effect, after
{_chosen(event)}end
if not effect then return answer(state == 'none' and '{Result.UNKNOWN}' or '{Result.REFUSED}') end
if effect == '{Effect.REPEAT}' then return answer('{Result.REPEATED}') end
local id, at, amount, seconds, until_ms = ARGV[1], struct.unpack('>i8i8i8i8', ARGV[2])
if ARGV[5] == '{RAISE}' and effect == '{Effect.HOLD}' and seconds <= tonumber(granted or -1) then
  return answer('{Result.REPEATED}')
end
if not balance and (amount ~= 0 or was ~= 0) then return answer('{Result.NO_ACCOUNT}') end
local free = (balance or 0) - held
steps = steps + 1
if effect == '{Effect.HOLD}' then
{_HOLD}end
{_END}"""


STEPS: Final = {event: step_script(event) for event in Event}

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
