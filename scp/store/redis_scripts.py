"""How records lie in Redis, and the Lua scripts that change them.

A record is a field of a hash: the MSISDN, its value is the packed record (`scp.store.record_format`). The
hashes are buckets, ``PREFIX:s:HEX``, chosen by the MSISDN's CRC-32. Redis keeps small hashes of short values
in a compact form (listpacks: up to 512 entries of at most 64 octets, with its own settings), so that a
subscriber costs 61 octets in place of 136 with a key each; the buckets spread over a cluster's slots;
and walking through them by number visits every record exactly once, in the same order each time.

``{PREFIX:s:HEX}:m``, a hash beside each bucket and on the same server, has of each of the bucket's
subscribers what messages of VLRs and HLRs came (`scp.domain.moves`). Only `MOVE` needs both: while a cluster
moves a slot, it refuses scripts with several keys (TRYAGAIN), and all other writes go on.

``PREFIX:meta`` holds the number of buckets, which the first to open the store decides, and the newest schema
of its records.
"""

from __future__ import annotations

from typing import Final, final
from zlib import crc32

from scp.domain.moves import ALWAYS, IDENTITY, MOST, RECENT, TIMES, TOLERANCE
from scp.store.record_format import ROAMING_BITS, SCHEMA, VLR_FIELD


@final
class Keys:
    """Keys of one store."""

    def __init__(self, prefix: str, buckets: int) -> None:
        self.buckets = buckets
        self.names: list[bytes] = [f"{prefix}:s:{number:05x}".encode() for number in range(buckets)]
        self.head: bytes = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b:s:" % (len(prefix) + 8, prefix.encode())
        """What every lookup begins with, up to the bucket's five hex digits."""

    def together(self, bucket: int) -> list[bytes]:
        """Return the keys of a bucket: its records, and what messages came about them."""
        name = self.names[bucket]
        return [name, b"{%b}:m" % name]

    def bucket(self, msisdn: str) -> int:
        """Return the bucket that an MSISDN's record is in."""
        return crc32(msisdn.encode()) & (self.buckets - 1)


def meta_key(prefix: str) -> bytes:
    """Return the key of a store's own description."""
    return f"{prefix}:meta".encode()


def bucket_number(name: bytes) -> int:
    """Return the number of a bucket by its key, -1 if it is no bucket's."""
    try:
        return int(name.rpartition(b":s:")[2], 16)
    except ValueError:
        return -1


# Octets 4 to 7 of a packed record are its version (scp.store.record_format).
_VERSION: Final = (
    "local function version(packed) return packed and struct.unpack('>I4', packed, 4) or 0 end\n"
)

PUT: Final = (
    _VERSION
    + """\
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if version(packed) ~= tonumber(ARGV[2]) then return packed end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
)
"""KEYS: bucket. ARGV: MSISDN, expected version, new record. Returns 1, or what is there instead."""

DELETE: Final = (
    _VERSION
    + """\
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if version(packed) ~= tonumber(ARGV[2]) then return packed end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""
)
"""KEYS: bucket. ARGV: MSISDN, expected version. Returns as `PUT`."""

MOVE: Final = f"""\
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if not packed then return {{'unknown-subscriber', 0}} end
if string.byte(packed, 2) ~= {SCHEMA} then return {{'schema', string.byte(packed, 2)}} end
local version = struct.unpack('>I4', packed, 4)
local now = tonumber(redis.call('TIME')[1])
local at, came, seen = 0, 0, ''
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and #known >= {TIMES} then
  at, came = struct.unpack('>I4I4', known)
  seen = string.sub(known, {TIMES} + 1)
end
if at > now + {TOLERANCE} then at = 0 end
for i = 1, #seen, {IDENTITY} do
  if string.sub(seen, i, i + {IDENTITY} - 1) == ARGV[2] then return {{'replayed', version}} end
end
local kept = math.abs(now - came) < {RECENT} and {MOST} or {ALWAYS}
seen = string.sub(seen .. ARGV[2], -kept * {IDENTITY})
local stale = false
if ARGV[3] ~= '' then
  local was = math.max(now - tonumber(ARGV[3]), 0)
  stale = was + {TOLERANCE} < at
  at = math.max(at, was)
end
redis.call('HSET', KEYS[2], ARGV[1], struct.pack('>I4I4', at, now) .. seen)
if stale then return {{'stale', version}} end
if ARGV[3] == '' then return {{'taken', version}} end
local result = 'taken'
local number = string.byte(packed, 1) - 0x90
local fields = cmsgpack.unpack(packed)
if ARGV[4] ~= '' then
  local flags = bit.bor(bit.band(fields[3], bit.bnot({ROAMING_BITS})), tonumber(ARGV[4]))
  local vlr = tonumber(ARGV[5])
  result = flags == fields[3] and vlr == fields[{VLR_FIELD} + 1] and 'unchanged' or 'written'
  fields[3], fields[{VLR_FIELD} + 1] = flags, vlr
  number = math.max(number, vlr and {VLR_FIELD} + 1 or 3)
end
packed = string.char(0x90 + number, {SCHEMA}, 0xCE) .. struct.pack('>I4', version + 1)
  .. cmsgpack.pack(unpack(fields, 3, number))
redis.call('HSET', KEYS[1], ARGV[1], packed)
return {{result, version + 1}}
"""
"""KEYS: bucket, its messages. ARGV: MSISDN, the message's identity, age in seconds or '', the flag's bits
or '', the VLR behind a 1 or ''. Returns a `scp.domain.map_results.Result` and the record's version, or
"schema" and the schema of a record that can't be changed."""

PUT_MANY: Final = """\
for i, key in ipairs(KEYS) do
  local msisdn, new = ARGV[2 * i - 1], ARGV[2 * i]
  local packed = redis.call('HGET', key, msisdn)
  if packed and #packed >= 7 then
    local version = struct.pack('>I4', struct.unpack('>I4', packed, 4) + 1)
    new = string.sub(new, 1, 3) .. version .. string.sub(new, 8)
  end
  redis.call('HSET', key, msisdn, new)
end
return #KEYS
"""
"""KEYS: a bucket for each record. ARGV: MSISDN and record (with version 1) for each."""
