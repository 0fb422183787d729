"""What every codec of this package raises, and nothing else."""

from __future__ import annotations


class DecodeError(ValueError):
    """Octets that the cited clause does not allow.

    Attributes:
        reason: what is wrong, in words, without octets of the message.
        offset: index of the first octet at fault, counted from the start of the buffer given to the decoder.
        clause: the clause of the standard that the octets break, as in ``"Q.713 §3.4"``; "" if none is cited.
    """

    def __init__(self, reason: str, offset: int = 0, clause: str = "") -> None:
        self.reason = reason
        self.offset = offset
        self.clause = clause
        where = f" ({clause})" if clause else ""
        super().__init__(f"{reason} at octet {offset}{where}")


class EncodeError(ValueError):
    """A value that the cited clause does not allow on the wire; ``clause`` as in `DecodeError`."""

    def __init__(self, reason: str, clause: str = "") -> None:
        self.reason = reason
        self.clause = clause
        super().__init__(f"{reason} ({clause})" if clause else reason)
