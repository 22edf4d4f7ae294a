"""Deduplication in numbers: LSH bands, Bloom filters, HyperLogLog, collisions of ids, memory of exact sets."""

from __future__ import annotations

import math
from typing import Any

from pydantic import AliasChoices

from tools.base import Ask, Case, ToolError, formula, param

_MMDS = "Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3: 1 - (1 - s^r)^b"
_BLOOM = "(1 - exp(-kn/m))^k"

_BANDS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "bands", "words": ["bands", "b"],
                          "validation_alias": AliasChoices("b", "bands")}
_ROWS: dict[str, Any] = {"ge": 1, "le": 10_000, "unit": "rows", "words": ["rows", "r", "rows per band"],
                         "validation_alias": AliasChoices("r", "rows")}
_BITS: dict[str, Any] = {"gt": 0, "le": 10_000, "unit": "bits", "words": ["bits per key", "bits a key", "bits"]}
_K: dict[str, Any] = {"ge": 0, "le": 1_000, "unit": "hashes", "words": ["hash functions", "hashes", "k"],
                      "help": "0: the best number for these bits"}
_N: dict[str, Any] = {"ge": 0, "le": 1e30, "unit": "keys", "words": ["keys", "ids", "items", "records", "events"],
                      "validation_alias": AliasChoices("n", "keys", "N")}
_FP: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["false positives", "false positive", "error"]}


@formula("dedup.lsh_scurve", words=["candidate pair", "become candidates"], unit="fraction", cases=[
    Case({"b": 20, "r": 5, "s": [0.2, 0.4, 0.6, 0.8]}, {"result": [0.00638, 0.18605, 0.8019, 0.99964]}, abs=1e-5,
         source=_MMDS),
    Case({"b": 20, "r": 5, "s": 0.5}, {"result": 0.470051}, abs=1e-6, source=_MMDS),
], asks=[Ask("LSH with 20 bands of 5 rows: with what probability do documents of similarity 0.8 become candidates?",
             "result", 0.99964),
    Ask("MinHash LSH, 16 bands of 8 rows: how likely do two documents with a Jaccard of 0.7 become a candidate pair?",
        "result", 0.613268),])
def lsh_scurve(
    b: int = param(**_BANDS), r: int = param(**_ROWS),
    s: float | tuple[float, ...] = param(words=["similarity", "similar", "jaccard"], unit="fraction",
                                         help="similarity or list of similarities, 0 to 1"),
) -> float | list[float]:
    """Probability that two items of similarity s share a band of their MinHash signatures: 1 - (1 - s^r)^b."""
    values = s if isinstance(s, tuple) else (s,)
    if len(values) > 100_000 or any(not 0 <= each <= 1 for each in values):
        raise ToolError("dedup.lsh_scurve: s must hold at most 100,000 similarities between 0 and 1.")
    curve = [-math.expm1(b * math.log1p(-math.pow(each, r))) if each < 1 else 1.0 for each in values]
    return curve if isinstance(s, tuple) else curve[0]


@formula("dedup.lsh_threshold", words=["lsh threshold"], unit="fraction", cases=[
    Case({"b": 20, "r": 5}, {"result": 0.549}, abs=5e-4, source="(1/b)^(1/r), Mining of Massive Datasets, ch. 3"),
], asks=[Ask("At which similarity does LSH with 20 bands of 5 rows start to find candidates?", "result", 0.549)])
def lsh_threshold(b: int = param(**_BANDS), r: int = param(**_ROWS)) -> float:
    """Similarity at which the S-curve is steep, about (1/b)^(1/r)."""
    return math.pow(1 / b, 1 / r)


@formula("dedup.minhash_error", words=["minhash", "signature length"], unit="fraction", cases=[
    Case({"k": 100, "s": 0.5}, {"result": 0.05}, rel=1e-12, source="sqrt(s(1-s)/k)"),
], asks=[
    Ask("MinHash with 128 permutations: what is the standard error for a Jaccard similarity of 0.5?", "result", 0.0441942),
])
def minhash_error(
    k: int = param(ge=1, le=10**9, unit="hashes", words=["hashes", "permutations", "signature length"]),
    s: float = param(0.5, ge=0, le=1, unit="fraction", words=["similarity", "jaccard"]),
) -> float:
    """Standard error of a Jaccard similarity estimated from k MinHashes: sqrt(s(1-s)/k), at most 1/(2 sqrt k)."""
    return math.sqrt(s * (1 - s) / k)


@formula("dedup.bloom_fp", words=["false positive rate"], unit="fraction", cases=[
    Case({"bits_per_key": 10, "k": 7}, {"result": 0.008194}, abs=1e-6, source=_BLOOM),
    Case({"bits_per_key": 8, "k": 6}, {"result": 0.021577}, abs=1e-6, source=_BLOOM),
], asks=[Ask("A Bloom filter has 10 bits per key and 7 hash functions. What is its false positive rate?", "result",
             0.008194),
    Ask("What is the false positive rate of a bloom filter with 8 bits per key and 5 hashes?", "result", 0.0216792),])
def bloom_fp(bits_per_key: float = param(**_BITS), k: int = param(0, **_K)) -> float:
    """False-positive rate of a Bloom filter with k hash functions: (1 - exp(-k / bits per key))^k."""
    hashes = k or bloom_optimal_k(bits_per_key)
    return math.exp(hashes * math.log(-math.expm1(-hashes / bits_per_key)))


@formula("dedup.bloom_optimal_k", words=["how many hash functions", "best number of hash functions"], unit="hashes", cases=[
    Case({"bits_per_key": 10}, {"result": 7}, source="round(bits * ln 2) = round(6.93)"),
], asks=[
    Ask("How many hash functions are best for a Bloom filter with 10 bits per key?", "result", 7),
])
def bloom_optimal_k(bits_per_key: float = param(**_BITS)) -> int:
    """Number of hash functions with the fewest false positives: bits per key * ln 2, rounded."""
    return max(round(bits_per_key * math.log(2)), 1)


@formula("dedup.bloom_bits_per_key", unit="bits", words=["bits per key needed", "bits per key", "bits for each key",
                                                       "for a false positive rate"], cases=[
    Case({"fp": 0.01}, {"result": 9.585}, abs=1e-3, source="-ln p / (ln 2)^2"),
], asks=[Ask("How many bits per key does a Bloom filter need for 1% false positives?", "result", 9.585),
    Ask("bloom filter, false positive rate 0.1% - how many bits for each key?", "result", 14.3776),])
def bloom_bits_per_key(fp: float = param(**_FP)) -> float:
    """Bits per key for a false-positive rate, with the best number of hash functions: -ln p / (ln 2)^2."""
    return -math.log(fp) / math.log(2) ** 2


@formula("dedup.bloom_bytes", words=["size of a bloom filter", "how big is a bloom filter"], unit="bytes", cases=[
    Case({"n": 1e9, "fp": 0.01}, {"result": 1.198e9}, rel=1e-3, source="9.585 bits a key"),
], asks=[Ask("How many bytes does a Bloom filter for 1B keys at 1% false positives take?", "result", 1.198e9),
    Ask("How much memory does a bloom filter for 200 million ids with 0.1% false positives need?", "result", 359440000.0),])
def bloom_bytes(n: float = param(**_N), fp: float = param(**_FP)) -> float:
    """Memory of a Bloom filter for n keys at a false-positive rate."""
    return n * float(bloom_bits_per_key(fp)) / 8


@formula("dedup.hll_error", words=["hyperloglog", "count distinct"], unit="fraction", cases=[
    Case({"p": 14}, {"result": 0.008125}, rel=1e-9, source="Flajolet et al., 2007: 1.04 / sqrt(2^14)"),
    Case({"registers": 16_384}, {"result": 0.008125}, rel=1e-9, source="Flajolet et al., 2007: 1.04 / sqrt(m)"),
], asks=[Ask("What is the relative error of a HyperLogLog with a precision of 14?", "result", 0.008125),
    Ask("HyperLogLog with 4096 registers: what is its standard error?", "result", 0.01625),])
def hll_error(
    p: int = param(14, ge=4, le=30, unit="count", words=["precision", "p", "bits"],
                   validation_alias=AliasChoices("p", "precision")),
    registers: int = param(0, ge=0, le=2**30, unit="registers", words=["registers", "m"], help="0: 2^p",
                           validation_alias=AliasChoices("registers", "m")),
) -> float:
    """Relative standard error of a HyperLogLog with 2^p registers: 1.04 / sqrt(registers)."""
    return 1.04 / math.sqrt(registers or 1 << p)


@formula("dedup.hll_bytes", words=["size of a hyperloglog"], unit="bytes", cases=[
    Case({"p": 14}, {"result": 12_288}, source="16,384 registers of 6 bits, as in Redis"),
], asks=[
    Ask("How many bytes of memory does a HyperLogLog with precision 14 take?", "result", 12288),
])
def hll_bytes(
    p: int = param(14, ge=4, le=30, unit="count", words=["precision", "p"],
                   validation_alias=AliasChoices("p", "precision")),
    register_bits: int = param(6, ge=4, le=8, unit="bits", words=["register bits", "bits per register"]),
) -> float:
    """Memory of a dense HyperLogLog: 2^p registers of 6 bits."""
    return (1 << p) * register_bits / 8


@formula("dedup.collision_probability", words=["collide", "collision"], unit="fraction", cases=[
    Case({"n": 1e9, "bits": 64}, {"result": 0.0267}, abs=1e-4, source="birthday bound: 1 - exp(-n(n-1)/2^(bits+1))"),
    Case({"n": 23, "space": 365}, {"result": 0.5000}, abs=1e-3, source="the approximation; exactly it is 0.5073"),
], asks=[Ask("1B random 64-bit ids: how likely is at least one collision?", "result", 0.0267),
    Ask("How likely is a collision among 5 billion random 64-bit ids?", "result", 0.492179),
    Ask("10 million events get random 48-bit ids; what is the chance that some collide?", "result", 0.162753),])
def collision_probability(
    n: float = param(**_N),
    bits: float = param(64, ge=0, le=1_000, unit="bits", words=["bits", "bit ids", "-bit", "id size"]),
    space: float = param(0.0, ge=0, le=1e300, unit="count", words=["possible values", "space"], help="0: 2^bits"),
) -> float:
    """Probability that at least two of n random ids are equal: 1 - exp(-n(n-1) / (2 * values))."""
    values = math.log2(space) if space else bits
    if n < 2:
        return 0.0
    return -math.expm1(-math.exp2(min(math.log2(n) + math.log2(n - 1) - 1 - values, 1_000)))


@formula("dedup.keys_for_collision", words=["birthday problem", "birthday bound"], unit="keys", cases=[
    Case({"bits": 64, "probability": 0.5}, {"result": 5.057e9}, rel=1e-3, source="sqrt(2 ln 2 * 2^64)"),
], asks=[Ask("After how many random 64-bit ids is a collision as likely as not?", "result", 5.057e9),
    Ask("With 32-bit ids, after how many random keys is the probability of a collision 50%?", "result", 77162.7),])
def keys_for_collision(
    bits: float = param(64, ge=0, le=1_000, unit="bits", words=["bits", "bit ids", "-bit", "id size"]),
    probability: float = param(0.5, gt=0, lt=1, unit="fraction", words=["probability", "likely", "chance"]),
) -> float:
    """Number of random ids at which a collision has the given probability: sqrt(-2 ln(1-p) * 2^bits)."""
    return math.sqrt(-2 * math.log1p(-probability)) * math.exp2(bits / 2)


@formula("dedup.exact_bytes", words=["exact set", "hash set"], unit="bytes", cases=[
    Case({"n": 1e9, "bytes_per_key": 50}, {"result": 5e10}, source="arithmetic"),
], asks=[Ask("How many bytes does an exact set of 1B keys take at 50 bytes per key?", "result", 5e10),
    Ask("Dedup with an exact hash set: 300 million keys at 40 bytes each, how many bytes?", "result", 12000000000),])
def exact_bytes(
    n: float = param(**_N),
    bytes_per_key: float = param(ge=0, le=1e6, unit="bytes", words=["bytes per key", "bytes each", "per key", "entry"]),
) -> float:
    """Memory of an exact set of keys: n * bytes, the table's overhead included in the bytes."""
    return n * bytes_per_key
