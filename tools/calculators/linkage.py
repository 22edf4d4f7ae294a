"""Record linkage in numbers: string similarity, match weights, pairs to compare, precision and recall.

Blocking and linking real records is in tools/simulators/record_linkage.py.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import AliasChoices

from tools.base import Ask, Case, ToolError, formula, param
from tools.calculators.prose import ONE_STRING, TWO_STRINGS, told
from tools.calculators.string_distance import edits, jaro, soundex_code, winkler
from tools.prose.pairs import find_first, find_second

_WINKLER = "W. Winkler, 1990, table; jellyfish 1.3 agrees"
_FS = "Fellegi and Sunter, 1969: log2(m/u) and log2((1-m)/(1-u))"

_A: dict[str, Any] = {"max_length": 1_000, "words": ["first string", "name"],
                      "validation_alias": AliasChoices("a", "s1", "left")}
_B: dict[str, Any] = {"max_length": 1_000, "words": ["second string", "name"],
                      "validation_alias": AliasChoices("b", "s2", "right")}
_M: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["m", "m probability", "agree among matches"]}
_U: dict[str, Any] = {"gt": 0, "lt": 1, "unit": "fraction", "words": ["u", "u probability", "agree by chance"]}
_RECORDS: dict[str, Any] = {"ge": 0, "le": 10**15, "unit": "records", "words": ["records", "rows", "customers"]}
_COUNT: dict[str, Any] = {"ge": 0, "le": 10**15, "unit": "count"}


def first_param() -> Any:
    """The parameter for the first of two strings."""
    return told(param(**_A), TWO_STRINGS, find_first)


def second_param() -> Any:
    """The parameter for the second of two strings."""
    return told(param(**_B), TWO_STRINGS, find_second)


@formula("linkage.jaro_winkler", words=["jaro-winkler", "jaro"], cases=[
    Case({"a": "MARTHA", "b": "MARHTA"}, {"result": [0.9444, 0.9611]}, abs=1e-4, source=_WINKLER),
    Case({"a": "DWAYNE", "b": "DUANE"}, {"result": [0.8222, 0.84]}, abs=1e-4, source=_WINKLER),
    Case({"a": "DIXON", "b": "DICKSONX"}, {"result": [0.7667, 0.8133]}, abs=1e-4, source=_WINKLER),
], asks=[
    Ask("Jaro-Winkler similarity of MARTHA and MARHTA?", "jaro_winkler", 0.961111),
    Ask("Jaro-Winkler for dwayne vs duane?", "jaro_winkler", 0.84),
    Ask("What Jaro-Winkler similarity do the names Dixon and Dickson have?", "jaro_winkler", 0.832381),
])
def jaro_winkler(
    a: str = first_param(), b: str = second_param(),
    prefix_weight: float = param(0.1, ge=0, le=0.25, unit="fraction", words=["prefix weight", "scaling"]),
    boost_above: float = param(0.7, ge=0, le=1, unit="fraction", words=["boost threshold"],
                               help="the prefix counts only above this Jaro similarity; 0: always"),
) -> dict[str, Any]:
    """[Jaro, Jaro-Winkler] similarity of two strings, 0 to 1, also one by one.

    Up to four equal first characters raise the Jaro similarity j to j + prefix * 0.1 * (1 - j), as Winkler's program
    and jellyfish do only above 0.7; some texts leave that condition out. Case counts: normalise first. """
    similarity = jaro(a, b)
    boosted = winkler(similarity, a, b, prefix_weight, boost_above)
    return {"result": [similarity, boosted], "jaro": similarity, "jaro_winkler": boosted}


@formula("linkage.levenshtein", words=["levenshtein", "edit distance", "edits"], unit="edits", cases=[
    Case({"a": "kitten", "b": "sitting"}, {"result": 3}, source="textbook; jellyfish 1.3 agrees"),
    Case({"a": "", "b": "abc"}, {"result": 3}, source="definition"),
], asks=[
    Ask("Levenshtein distance between checkpoint and chekpiont?", "result", 3),
    Ask("How many edits turn \"kitten\" into \"sitting\"?", "result", 3),
    Ask("levenshtein kitten sitting", "result", 3),
    Ask("Edit distance: flaw / lawn?", "result", 2),
])
def levenshtein(a: str = first_param(), b: str = second_param()) -> int:
    """Fewest insertions, deletions and substitutions that turn one string into the other."""
    return edits(a, b)


@formula("linkage.levenshtein_similarity", words=["levenshtein similarity", "normalised edit distance"], unit="fraction", cases=[
    Case({"a": "kitten", "b": "sitting"}, {"result": 4 / 7}, rel=1e-12, source="1 - 3/7"),
])
def levenshtein_similarity(a: str = first_param(), b: str = second_param()) -> float:
    """1 - edits / length of the longer string; 1 for two empty ones."""
    return 1 - edits(a, b) / max(len(a), len(b), 1)


@formula("linkage.damerau_levenshtein", words=["damerau", "transposition", "swap of neighbours"], unit="edits", cases=[
    Case({"a": "MARTHA", "b": "MARHTA"}, {"result": 1}, source="one swap of neighbours; jellyfish 1.3 agrees"),
    Case({"a": "ca", "b": "abc"}, {"result": 2}, source="the unrestricted distance; the restricted one is 3"),
], asks=[
    Ask("What is the Damerau-Levenshtein distance between \"kafka\" and \"kafak\"?", "result", 1),
])
def damerau_levenshtein(a: str = first_param(), b: str = second_param()) -> int:
    """Edits when a swap of two neighbours counts as one (unrestricted: parts may be edited again)."""
    return edits(a, b, swaps=True)


@formula("linkage.jaccard", words=["bigram", "n-grams", "jaccard similarity of strings"], unit="fraction", cases=[
    Case({"a": "night", "b": "nacht", "n": 2}, {"result": 1 / 7}, rel=1e-12, source="bigrams ni ig gh ht, na ac ch ht"),
    Case({"a": "the quick fox", "b": "the slow fox", "n": 0}, {"result": 0.5}, source="2 of 4 words"),
], asks=[
    Ask("What is the bigram Jaccard similarity of 'stream' and 'streams'?", "result", 0.833333),
])
def jaccard(
    a: str = first_param(), b: str = second_param(),
    n: int = param(2, ge=0, le=50, unit="count", words=["n-gram", "shingle", "q-gram"],
                   help="characters; 0: whole words"),
) -> float:
    """Jaccard similarity of the sets of n-grams (or words) of two strings: common / all; 1 if both are empty."""
    left, right = (set(text.split()) if n == 0 else {text[at:at + n] for at in range(len(text) - n + 1)}
                   for text in (a, b))
    return len(left & right) / len(left | right) if left | right else 1.0


@formula("linkage.soundex", words=["soundex"], cases=[
    Case({"a": "Robert"}, {"result": "R163"}, source="US National Archives"),
    Case({"a": "Tymczak"}, {"result": "T522"}, source="US National Archives"),
    Case({"a": "Ashcraft"}, {"result": "A261"}, source="US National Archives"),
])
def soundex(a: str = told(param(**_A), ONE_STRING)) -> str:
    """American Soundex of a name: its first letter and three digits; a common blocking key."""
    return soundex_code(a)


@formula("linkage.fs_weight_bits", words=["match weight", "fellegi-sunter weight", "agreement weight"], unit="bits", cases=[
    Case({"m": 0.95, "u": 0.01}, {"result": [6.5699, -4.3074]}, abs=1e-4, source=_FS),
])
def fs_weight_bits(m: float = param(**_M), u: float = param(**_U)) -> list[float]:
    """[weight of agreement, weight of disagreement] of one field in bits.

    m is how often the field agrees among true matches, u how often by chance among the rest.
    """
    return [math.log2(m / u), math.log2((1 - m) / (1 - u))]


@formula("linkage.fs_match_probability", words=["match probability"], unit="fraction", cases=[
    Case({"weight_bits": 0, "prior": 0.5}, {"result": 0.5}, source="no evidence"),
    Case({"weight_bits": 20, "prior": 1e-6}, {"result": 0.511857}, abs=1e-6,
         source="2^20 = 1.048576e6 against 999,999"),
], asks=[Ask("Fields agree with a total weight of 20 bits and one pair in a million is a match. How likely is a match?",
             "result", 0.511857),
    Ask("A pair has a total match weight of 12 bits and the share of matches among all pairs is 0.1%. What is the "
        "probability of a match?", "result", 0.803925),])
def fs_match_probability(
    weight_bits: float = param(ge=-1000, le=1000, unit="bits", words=["weight", "bits", "score"]),
    prior: float = param(gt=0, lt=1, unit="fraction", words=["prior", "share of matches", "prevalence"]),
) -> float:
    """Probability that a pair is a match given the sum of its weights and the share of matches among all pairs."""
    bits = weight_bits + math.log2(prior / (1 - prior))
    return 1 / (1 + math.pow(2.0, -bits)) if bits > -1000 else math.pow(2.0, bits)


@formula("linkage.pairs", words=["pairs to compare", "all pairs"], unit="pairs", cases=[
    Case({"records": 1_000_000}, {"result": 499_999_500_000}, source="n(n-1)/2"),
    Case({"records": 1000, "other": 500}, {"result": 500_000}, source="two tables: n * m"),
], asks=[Ask("How many pairs must be compared to deduplicate 1M records without blocking?", "result", 499_999_500_000),
         Ask("All pairs of 20k customers: how many comparisons?", "result", 199_990_000),
    Ask("How many pairs do I have to compare to dedupe 250k customers without blocking?", "result", 31249875000),
    Ask("5,000 records against a second table of 8,000: how many pairs?", "result", 40000000),])
def pairs(
    records: int = param(**_RECORDS),
    other: int = param(0, ge=0, le=10**15, unit="records", words=["second table", "other"], help="0: within one table"),
) -> int:
    """Pairs to compare without blocking: n(n-1)/2 within a table, n * m between two."""
    return records * other if other else records * (records - 1) // 2


@formula("linkage.blocked_pairs", words=["blocking", "blocks"], unit="pairs", cases=[
    Case({"records": 1_000_000, "blocks": 10_000}, {"result": 49_500_000}, rel=1e-12, source="10,000 * 100 * 99 / 2"),
], asks=[Ask("1M records in 10k equal blocks: how many pairs are compared?", "result", 49_500_000),
    Ask("Blocking splits 2 million records into 50k equal blocks: how many comparisons are left?", "result", 39000000),])
def blocked_pairs(
    records: int = param(**_RECORDS),
    blocks: int = param(ge=1, le=10**15, unit="blocks", words=["blocks", "block keys", "buckets"]),
) -> float:
    """Pairs to compare in blocks of equal size: n * (n/blocks - 1) / 2; skewed blocks hold more."""
    return max(records * (records / blocks - 1) / 2, 0.0)


@formula("linkage.reduction_ratio", words=["reduction ratio", "comparisons saved", "blocking spares"], unit="fraction", cases=[
    Case({"records": 1_000_000, "compared": 49_500_000}, {"result": 0.999901}, abs=1e-6, source="arithmetic")], asks=[
    Ask("10,000 records, 250,000 candidate pairs after blocking: what is the reduction ratio?", "result", 0.994999),
])
def reduction_ratio(
    records: int = param(**_RECORDS), compared: int = param(words=["compared", "candidate pairs"], **_COUNT),
) -> float:
    """Share of all pairs that blocking spares."""
    every = records * (records - 1) // 2
    if compared > every:
        raise ToolError(f"linkage.reduction_ratio: compared is {compared:,}, more than the {every:,} pairs there are.")
    return 1 - compared / every if every else 0.0


@formula("linkage.precision_recall", words=["precision", "recall", "f1"], cases=[
    Case({"true_matches": 90, "false_matches": 10, "missed_matches": 30},
         {"precision": 0.9, "recall": 0.75, "f1": 9 / 11}, rel=1e-12, source="arithmetic"),
], asks=[
    Ask("A linker found 80 true matches and 20 false matches, and missed 40. What is the F1?", "f1", 0.727273),
    Ask("90 true positives, 10 false positives and 30 false negatives: precision of the linkage?", "precision", 0.9),
    Ask("90 right links, 10 wrong, 30 missed: what is the recall?", "recall", 0.75),
])
def precision_recall(
    true_matches: int = param(words=["true matches", "true positives", "right"], **_COUNT),
    false_matches: int = param(words=["false matches", "false positives", "wrong"], **_COUNT),
    missed_matches: int = param(words=["missed", "false negatives"], **_COUNT),
) -> dict[str, float | None]:
    """Precision, recall and F1 of linked pairs; None where nothing was linked or there was nothing to link."""
    linked, real = true_matches + false_matches, true_matches + missed_matches
    return {"precision": true_matches / linked if linked else None, "recall": true_matches / real if real else None,
            "f1": 2 * true_matches / (linked + real) if linked + real else None}
