"""BER octets (X.690 §8): tags, lengths, integers. What the codecs above share, and no more.

All functions work on offsets into one `bytes` object and copy nothing. Errors of encoding are reported by a negative
offset, not raised: garbage is an ordinary input for a server. The caller, who knows the clause, raises.
"""

from __future__ import annotations
