"""The Lua scripts of the ledger. What a step does is `scp.domain.reservation.TABLE`, written out as Lua.

A reservation's value is that of `scp.store.reservation_format`. The ids of open ones lie in
slots by their expiry (`scp.store.redis_slots`).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from scp.domain.reservation import OPEN, TABLE, Effect, Event, Result, State
from scp.store.redis_slots import LOOK, PLACE
from scp.store.reservation_format import END, HEAD, STATES, UNRECORDED

ARGUMENTS: Final = 5
"""Of a step's script."""
NUMBERS: Final = Struct(">qqqq")
"""Its second: when, the amount, seconds, the expiry."""
BODY: Final = "b"
"""Its last argument: the answer has the reservation's body."""
RAISE: Final = "r"
"""Its last argument: to extend to no more than is granted is REPEATED. A charge's answer has the body."""
_NUMBER: Final = {state: number for number, state in enumerate(STATES)}
_NONE: Final = _NUMBER[State.NONE]
_OPEN: Final = " or ".join(f"state == {_NUMBER[state]}" for state in STATES if state in OPEN)


def _chosen(event: Event) -> str:
    """Return Lua that finds the row of a state: a chain of comparisons, since a table is built each time."""
    rows = {state: row for (state, asked), row in TABLE.items() if asked is event}
    return "else".join(
        f"if state == {_NUMBER[state]} then effect, after = '{row.effect}', {_NUMBER[row.next]}\n"
        for state, row in rows.items()
    )


_HOLD: Final = f"""\
  if amount - was > free then return answer('{Result.INSUFFICIENT}') end
  if amount ~= was then held = redis.call('HINCRBY', KEYS[3], account, amount - was) end
  place(KEYS[4], id, until_ms, value and expires)
  state, was, granted, expires, steps = after, amount, seconds, until_ms, steps + 1
  redis.call('HSET', KEYS[1], id, struct.pack('{HEAD}', state, was, granted, expires, steps) .. rest)
  return answer('{Result.DONE}')
"""
"""How `step_script` holds an amount: a new reservation, or more for one that there is."""
_END: Final = f"""\
if effect ~= '{Effect.CHARGE_LATE}' and effect ~= '{Effect.CHARGE_USED_LATE}' then
  if was ~= 0 then held = redis.call('HINCRBY', KEYS[3], account, -was) end
  free = free + was
end
local unrecorded = 0
state, ended, steps = after, at, steps + 1
if effect ~= '{Effect.FREE}' then
  charged = math.min(amount, math.max(free, 0))
  if effect == '{Effect.CHARGE}' or effect == '{Effect.CHARGE_LATE}' then charged = math.min(charged, was) end
  used, unrecorded = seconds, {UNRECORDED}
  if charged ~= 0 then
    balance = redis.call('HINCRBY', KEYS[2], account, -charged)
    redis.call('HINCRBY', KEYS[7], 'charged', charged)
  end
  redis.call('SADD', KEYS[6], id)
  whole = whole or ARGV[5] == '{RAISE}'
end
redis.call('HSET', KEYS[1], id, struct.pack('{HEAD}', state + unrecorded, was, granted, expires, steps)
  .. struct.pack('{END}', used, charged, ended) .. rest)
redis.call('RPUSH', KEYS[5], id)
return answer('{Result.DONE}')
"""
"""How `step_script` ends a reservation: what it held is free, and what was used is charged."""


def step_script(event: Event) -> str:
    """Return the script that applies one event to a reservation.

    KEYS: reservations, balances, held, due, ended, out, sums. ARGV: id; `NUMBERS`; for a new one account and
    body; `BODY`, `RAISE` or "". Returns result; account; balance, nil without an account; what is held of it;
    and of the reservation state, held, granted seconds, expiry, used seconds, charge, end, steps, body.
    """
    return f"""\
local id, account = ARGV[1], ARGV[3]
local value = redis.call('HGET', KEYS[1], id)
local state, was, granted, expires, steps, used, charged, ended = {_NONE}, 0, 0, 0, 0, 0, 0, 0
local rest
if value then
  local at
  state, was, granted, expires, steps, at = struct.unpack('{HEAD}', value)
  state = state % {UNRECORDED}
  if not ({_OPEN}) then used, charged, ended, at = struct.unpack('{END}', value, at) end
  rest, account = string.sub(value, at), struct.unpack('Bc0', value, at)
else
  rest = struct.pack('Bc0', #account, account) .. ARGV[4]
end
local balance = tonumber(redis.call('HGET', KEYS[2], account))
local held = tonumber(redis.call('HGET', KEYS[3], account) or 0)
local whole = ARGV[5] == '{BODY}'
local function answer(result)
  return {{result, account, balance or false, held, state, was, granted, expires, used, charged, ended, steps,
    whole and string.sub(rest, #account + 2)}}
end
local effect, after
{_chosen(event)}end
if not effect then return answer(state == {_NONE} and '{Result.UNKNOWN}' or '{Result.REFUSED}') end
if effect == '{Effect.REPEAT}' then return answer('{Result.REPEATED}') end
local at, amount, seconds, until_ms = struct.unpack('>i8i8i8i8', ARGV[2])
if ARGV[5] == '{RAISE}' and effect == '{Effect.HOLD}' and value and seconds <= granted then
  return answer('{Result.REPEATED}')
end
if not balance and (amount ~= 0 or was ~= 0) then return answer('{Result.NO_ACCOUNT}') end
local free = (balance or 0) - held
if effect == '{Effect.HOLD}' then
{PLACE}{_HOLD}end
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

RECORDED: Final = f"""\
for _, id in ipairs(ARGV) do
  local value = redis.call('HGET', KEYS[2], id)
  local state = value and string.byte(value)
  if state and state >= {UNRECORDED} then
    redis.call('HSET', KEYS[2], id, string.char(state - {UNRECORDED}) .. string.sub(value, 2))
  end
  redis.call('SREM', KEYS[1], id)
end
return #ARGV
"""
"""KEYS: out, reservations. ARGV: ids."""

DUE: Final = f"""\
{LOOK}return look(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), function(id)
  local value = redis.call('HGET', KEYS[2], id)
  if not value then return false end
  local state, _, _, expires = struct.unpack('{HEAD}', value)
  return ({_OPEN}) and expires
end)
"""
"""KEYS: due, reservations. ARGV: now, how many to return. Returns the ids of open ones whose time is up."""

FORGET: Final = f"""\
local ids = redis.call('LRANGE', KEYS[1], 0, ARGV[2] - 1)
local early, late, count = {{}}, {{}}, 0
for _, id in ipairs(ids) do
  local value = redis.call('HGET', KEYS[2], id)
  local state, ended, at, _ = {_NONE}
  if value then
    state, _, _, _, _, at = struct.unpack('{HEAD}', value)
  end
  if value and not ({_OPEN}) then
    _, _, ended = struct.unpack('{END}', value, at)
    if ended >= tonumber(ARGV[1]) then
      late[#late + 1] = id
    elseif state >= {UNRECORDED} then
      early[#early + 1] = id
    else
      redis.call('HDEL', KEYS[2], id)
      count = count + 1
    end
  end
end
if #late < #ids then
  redis.call('LTRIM', KEYS[1], #ids, -1)
  for at = #late, 1, -1 do redis.call('LPUSH', KEYS[1], late[at]) end
  for _, id in ipairs(early) do redis.call('RPUSH', KEYS[1], id) end
end
return count
"""
"""KEYS: ended, reservations. ARGV: before when, how many to look at.

One whose CDR is not written goes to the end of the list: it would keep the others from being looked at.
"""
