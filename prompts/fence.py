"""A mark that untrusted text can't forge: the same texts give the same mark, and it occurs in none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def fence(texts: Sequence[str]) -> str:
    """12 hex digits to put around `texts` in a prompt, so that a document can't pretend to end where it doesn't.

    The mark is a hash of all the texts: whoever writes one of them would have to write the hash of what they write.

    >>> fence(["a passage"]) == fence(["a passage"]) != fence(["another"])
    True
    """
    seed = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        seed.update(len(data).to_bytes(8, "big") + data)
    mark = seed.hexdigest()[:12]
    while any(mark in text.lower() for text in texts):
        seed.update(b"again")
        mark = seed.hexdigest()[:12]
    return mark
