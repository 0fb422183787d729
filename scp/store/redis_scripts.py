"""How records lie in Redis, and the Lua scripts that change them.

A record is a field of a hash: the MSISDN, its value is the packed record (`scp.store.record_format`). The
hashes are buckets, ``PREFIX:s:HEX``, chosen by the MSISDN's CRC-32. Redis keeps small hashes of short values
in a compact form (listpacks: up to 512 entries of at most 64 octets, with its own settings), so that a
subscriber costs 61 octets in place of 136 with a key each; the buckets spread over a cluster's slots;
and walking through them by number visits every record exactly once, in the same order each time.

``PREFIX:meta`` holds the number of buckets, which the first to open the store decides, and the newest schema
of its records.
"""

from __future__ import annotations

from typing import Final, final
from zlib import crc32


@final
class Keys:
    """Keys of one store."""

    def __init__(self, prefix: str, buckets: int) -> None:
        self.buckets = buckets
        self.names: list[bytes] = [f"{prefix}:s:{number:05x}".encode() for number in range(buckets)]
        self.head: bytes = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b:s:" % (len(prefix) + 8, prefix.encode())
        """What every lookup begins with, up to the bucket's five hex digits."""

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
