"""Secure aggregation in numbers: traffic, thresholds and masks of the Bonawitz protocol; sends nothing."""

from __future__ import annotations

import hashlib
from typing import Any

from tools.base import Case, ToolError, formula, outputs, param

_USERS: dict[str, Any] = {"ge": 1, "le": 10**7, "unit": "clients", "words": ["users", "clients", "devices", "phones"]}
_N: dict[str, Any] = {"ge": 1, "le": 10**7, "unit": "clients", "words": ["clients", "users", "phones", "devices", "participants", "n"]}
_DIM: dict[str, Any] = {"ge": 1, "le": 10**12, "unit": "count", "words": ["dimension", "entries", "parameters"]}
_BITS: dict[str, Any] = {"ge": 1, "le": 64, "unit": "bits", "words": ["bits", "bits an entry"]}
_KEY: dict[str, Any] = {"ge": 64, "le": 4_096, "unit": "bits", "words": ["key bits", "share bits"]}
_PAPER = "Bonawitz et al., CCS 2017"


@formula("fed.secagg_expansion", words=["secure aggregation expansion", "more traffic than in the clear"], cases=[
    Case({"users": 1_024, "dim": 2**20, "bits": 16}, {"result": 1.73}, abs=1e-9, source=_PAPER + ", abstract"),
    Case({"users": 2**14, "dim": 2**24, "bits": 16}, {"result": 1.98}, abs=1e-9, source=_PAPER + ", abstract"),
])
def secagg_expansion(
    users: int = param(**_USERS), dim: int = param(**_DIM), bits: int = param(16, **_BITS),
    key_bits: int = param(256, **_KEY),
) -> float:
    """Traffic of one user over sending the vector in the clear, to two decimals as printed in the paper."""
    return round(float(secagg_user_bits(users, dim, bits, key_bits)) / (dim * bits), 2)


@formula("fed.secagg_user_bits", unit="bits", cases=[
    Case({"users": 1_024, "dim": 2**20, "bits": 16}, {"result": 29_096_960}, source="message by message"),
])
def secagg_user_bits(
    users: int = param(**_USERS), dim: int = param(**_DIM), bits: int = param(16, **_BITS),
    key_bits: int = param(256, **_KEY),
) -> int:
    """Bits that a user sends and receives: 2n public keys, 5n-4 shares of secrets, and the masked vector, whose entries
    have room for the sum."""
    return (7 * users - 4) * key_bits + dim * int(secagg_modulus_bits(users, bits))


@formula("fed.secagg_modulus_bits", unit="bits", words=["bits of the secure sum", "modulus bits"], cases=[
    Case({"users": 1_024, "bits": 16}, {"result": 26}, source="16 + log2(1024)"),
    Case({"users": 5, "bits": 8}, {"result": 11}, source="5 * 255 = 1275 < 2^11"),
])
def secagg_modulus_bits(users: int = param(**_USERS), bits: int = param(16, **_BITS)) -> int:
    """Bits that the sum of all users' entries needs, hence every masked entry."""
    return int(users * (2**bits - 1)).bit_length()


@formula("fed.secagg_pairs", unit="count", words=["pairwise masks", "pairwise secrets", "key agreements"],
         cases=[Case({"n": 5}, {"result": 10}, source="n (n-1) / 2")])
def secagg_pairs(n: int = param(**_N)) -> int:
    """Shared secrets among n clients, one a pair."""
    return n * (n - 1) // 2


@formula("fed.secagg_threshold", unit="clients", words=["threshold of secret sharing"], cases=[
    Case({"n": 100}, {"result": [51, 67]}, source=_PAPER + ": t > n/2 (curious), t > 2n/3 (active server)"),
])
def secagg_threshold(n: int = param(**_N),
                     out: str = outputs(watching="watch|curious|honest|semi", lying="lie|lying|active|malicious")) -> list[int]:
    """Fewest shares that may reveal a secret: [server that only watches, server that lies], without colluding
    clients."""
    return [n // 2 + 1, 2 * n // 3 + 1]


@formula("fed.secagg_server_masks", unit="count", words=["masks the server expands", "masks to reconstruct"], cases=[
    Case({"n": 10, "dropouts": 2}, {"result": 24}, source="8 self masks, 2 * 8 pairwise masks"),
])
def secagg_server_masks(
    n: int = param(**_N), dropouts: int = param(0, ge=0, le=10**7, unit="clients", words=["dropouts", "drop out"]),
) -> int:
    """Masks that the server expands: one a survivor, and one for each pair of a survivor and a dropout."""
    if dropouts > n:
        raise ToolError(f"fed.secagg_server_masks: {dropouts} of only {n} clients can't drop out.")
    return (n - dropouts) * (1 + dropouts)


@formula("fed.masks_cancel", cases=[
    Case({"n": 5}, {"result": True}, source="pairwise masks sum to 0 mod 2^32"),
    Case({"n": 1}, {"result": True}, source="no pair, no mask"),
    Case({"n": 5, "dropouts": 1}, {"result": False}, source="a missing client leaves its masks in the sum"),
])
def masks_cancel(
    n: int = param(ge=1, le=500, unit="clients", words=["clients", "users", "n"]),
    dim: int = param(16, ge=1, le=64, unit="count", words=["dimension", "entries"]),
    dropouts: int = param(0, ge=0, le=499, unit="clients", words=["dropouts", "drop out"]),
    seed: int = param(0, ge=0, le=2**31, words=["seed"]),
) -> bool:
    """Draws the pairwise masks of n clients, adds up those of the survivors mod 2^32, and says if nothing is left."""
    import numpy as np

    total = np.zeros(dim, dtype=np.uint32)
    alive = n - dropouts
    for low in range(n):
        for high in range(low + 1, n):
            mask = expand(f"{seed}/{low}/{high}".encode(), dim).astype(np.uint32)
            if low < alive:
                total += mask
            if high < alive:
                total -= mask
    return not bool(total.any())


def expand(secret: bytes, dim: int) -> Any:
    """`dim` pseudo-random 64-bit words from a secret (SHAKE-128)."""
    import numpy as np

    return np.frombuffer(hashlib.shake_128(secret).digest(8 * dim), dtype="<u8").astype(np.uint64)


@formula("fed.secagg_success", unit="fraction", cases=[
    Case({"n": 10, "threshold": 6, "drop": 0.1}, {"result": 0.998365}, abs=1e-6, source="binomial"),
])
def secagg_success(
    n: int = param(ge=1, le=10_000, unit="clients", words=["clients", "users", "n"]),
    threshold: int = param(ge=1, le=10_000, unit="clients", words=["threshold", "t"]),
    drop: float = param(ge=0, le=1, unit="fraction", words=["drop out", "dropout rate", "fail"]),
) -> float:
    """Chance that a round succeeds: at least `threshold` of n clients stay, each dropping out independently."""
    if threshold > n:
        raise ToolError(f"fed.secagg_success: a threshold of {threshold} needs at least as many clients, not {n}.")
    from scipy.stats import binom

    return float(binom.sf(threshold - 1, n, 1 - drop))
