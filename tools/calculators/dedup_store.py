"""Sizing a deduplication store: an exact set or a Bloom filter over a time window, and what each gets wrong."""

from __future__ import annotations

import math
from typing import Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.dedup import bloom_bits_per_key, bloom_fp, bloom_optimal_k, collision_probability


class DedupStore(Params):
    events_per_day: float = param(1e9, ge=1, le=1e15, unit="requests/day",
                                  words=["events per day", "events a day", "events", "messages", "records"])
    duplicate_share: float = param(0.02, ge=0, le=0.99, unit="fraction", words=["duplicates", "duplicate share"])
    window_days: float = param(1.0, gt=0, le=3_650, unit="days", words=["window", "kept for", "remembered for", "ttl"])
    method: Literal["exact", "bloom"] = param("bloom", words=["method", "store", "filter"])
    exact_bytes_per_key: float = param(50.0, ge=1, le=10_000, unit="bytes",
                                       words=["bytes per key", "bytes per entry", "per key"])
    bloom_bits_per_key: float = param(10.0, ge=1, le=200, unit="bits", words=["bits per key", "bits a key"])
    hashes: int = param(0, ge=0, le=200, unit="hashes", words=["hash functions", "hashes"], help="0: the best number")
    id_bits: int = param(64, ge=8, le=512, unit="bits", words=["bit ids", "-bit", "id bits", "bit hash", "bit id"])


@tool("dedup-store", group="C",
      words=["deduplicate", "dedup", "bloom filter", "duplicate events", "id collision", "hash collision", "exact set",
             "dropping duplicates", "dedup window", "remember ids", "deduplication memory"],
      example={"events_per_day": 1e9, "window_days": 7, "bloom_bits_per_key": 10},
      cases=[
          Case({"bloom_bits_per_key": 10, "hashes": 7}, {"false_positive_rate": 0.008194}, abs=1e-6,
               source="(1 - exp(-kn/m))^k"),
          Case({"events_per_day": 1e9, "duplicate_share": 0, "id_bits": 64}, {"collision_probability": 0.0267},
               abs=1e-4,
               source="birthday bound"),
          Case({"events_per_day": 1e9, "duplicate_share": 0}, {"exact_GB": 50.0, "bloom_GB": 1.25}, rel=1e-9,
               source="arithmetic"),
      ],
      asks=[
          Ask("What false positive rate does a Bloom filter with 10 bits per key have?", "false_positive_rate",
              0.008194),
          Ask("1B events per day without duplicates and 64-bit ids: how likely is a collision within a day?",
              "collision_probability", 0.0267),
          Ask("An exact set remembers 500M events per day for 7 days at 40 bytes per key, no duplicates: how many GB?",
              "exact_GB", 140),
          Ask("1B events per day, 0% duplicates, 10 bits per key: how many genuine events does a Bloom filter drop a "
              "day?",
              "genuine_dropped_per_day", 8.194e6),
          Ask("2B events per day, no duplicates, remembered for 3 days in an exact set of 64 bytes per key: how many "
              "GB?", "exact_GB", 384.0),
      ])
def dedup_store(p: DedupStore, seed: int) -> ToolResult:
    """Memory and errors of dropping duplicate events by id within a window: an exact set against a Bloom filter.

    The store holds the distinct ids of `window_days`. An exact set costs its bytes per id; a Bloom filter costs bits,
    and at its false-positive rate takes new events for duplicates and drops them. Whichever it is, ids are random
    numbers of `id_bits`, so two different events may carry the same one. A duplicate that comes after the window is not
    caught.

    People get wrong: "a Bloom filter only saves memory": each false positive is a genuine event lost, 0.8% of them at
    10 bits; "64-bit ids never collide": among 1e9 random ones the chance is 2.7%, for it grows with the square of their
    number. The naive arm divides their number by all possible ids.

    Sources: B. Bloom, CACM 13(7), 1970; the birthday bound.

    >>> round(dedup_store(DedupStore(bloom_bits_per_key=10), 0).values["false_positive_rate"], 6)
    0.008194
    """
    unique = p.events_per_day * (1 - p.duplicate_share)
    keys = unique * p.window_days
    hashes = p.hashes or bloom_optimal_k(p.bloom_bits_per_key)
    rate = bloom_fp(p.bloom_bits_per_key, hashes)
    collision = collision_probability(keys, p.id_bits, 0.0)
    exact_GB, bloom_GB = keys * p.exact_bytes_per_key / 1e9, keys * p.bloom_bits_per_key / 8 / 1e9
    bloom = p.method == "bloom"
    dropped = unique * rate if bloom else 0.0
    naive_collision = keys / math.exp2(p.id_bits)
    return ToolResult(
        tool="dedup-store",
        values={"keys": keys, "store_GB": bloom_GB if bloom else exact_GB, "exact_GB": exact_GB, "bloom_GB": bloom_GB,
                "hashes": hashes, "false_positive_rate": rate, "genuine_dropped_per_day": dropped,
                "bits_for_one_in_a_million": bloom_bits_per_key(1e-6), "collision_probability": collision,
                "colliding_pairs": math.exp2(2 * math.log2(keys) - 1 - p.id_bits)},
        units={"keys": "keys", "store_GB": "GB", "exact_GB": "GB", "bloom_GB": "GB", "hashes": "hashes",
               "false_positive_rate": "fraction", "genuine_dropped_per_day": "events/day",
               "bits_for_one_in_a_million": "bits", "collision_probability": "fraction", "colliding_pairs": "pairs"},
        naive={"genuine_dropped_per_day": 0.0, "collision_probability": naive_collision},
        summary=f"{keys:.4g} ids take {exact_GB:.4g} GB as an exact set or {bloom_GB:.4g} GB as a Bloom filter, which "
                f"takes "
        f"{rate:.3g} of new events for duplicates"
        + (f" and so drops {dropped:,.0f} genuine ones a day" if bloom else "")
        + f". Two of the {p.id_bits}-bit ids are equal with probability {collision:.3g}, not {naive_collision:.3g}.",
        formula="false positives = (1 - exp(-k / bits per key))^k; collision = 1 - exp(-n(n-1) / 2^(bits+1))",
        plot=_plot(p, keys),
        assumptions=["ids are uniformly random", "the filter holds as many keys as it is sized for: full, not half "
                                                 "empty",
                     "a duplicate comes within the window", "1 GB = 10^9 bytes"],
        warnings=["A plain Bloom filter can't forget: a sliding window needs two of them in turns, or one for each "
                  "slice."]
        if bloom else [])


def _plot(p: DedupStore, keys: float) -> Plot:
    counts = [10 ** (3 + step / 4) for step in range(45)]
    chosen = list(dict.fromkeys([32, 64, 128, p.id_bits]))[:4]
    lines = [Line(label=f"{bits}-bit ids", x=list(counts),
                  y=[float(collision_probability(count, bits, 0.0)) for count in counts])
             for bits in chosen]
    lines.append(Line(label=f"ids / 2^{p.id_bits} (naive)", dashed=True, x=list(counts),
                      y=[min(count / math.exp2(p.id_bits), 1.0) for count in counts]))
    return Plot(title="Random ids collide long before their space is full", x_label="ids (keys)",
                y_label="chance of a collision (fraction)", log_x=True, log_y=True, lines=lines,
                marks=[{"axis": "x", "at": keys, "label": "this window"}])
