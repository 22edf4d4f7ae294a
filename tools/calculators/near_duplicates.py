"""Finding near-duplicates with MinHash and LSH bands: what is found, missed, and compared in vain."""

from __future__ import annotations

from tools.base import Ask, Case, Line, Params, Plot, ToolResult, param, tool
from tools.calculators.dedup import lsh_scurve, lsh_threshold, minhash_error


class NearDuplicates(Params):
    documents: float = param(1e6, ge=2, le=1e12, unit="documents", words=["documents", "docs", "pages", "records"])
    bands: int = param(20, ge=1, le=1_000, unit="bands", words=["bands"])
    rows: int = param(5, ge=1, le=1_000, unit="rows", words=["rows", "rows per band"])
    duplicate_similarity: float = param(0.8, ge=0, le=1, unit="fraction",
                                        words=["similarity", "jaccard", "duplicates are", "near-duplicates", "similar"])
    duplicate_pairs: float = param(1e5, ge=0, le=1e15, unit="pairs", words=["duplicate pairs", "true pairs"])
    background_similarity: float = param(0.2, ge=0, le=1, unit="fraction",
                                         words=["background", "unrelated", "other documents"])
    threshold: float = param(0.7, ge=0, le=1, unit="fraction", words=["threshold", "cut-off"],
                             help="similarity from which on a pair counts as a duplicate")


@tool("near-duplicates", group="C",
      words=["minhash", "lsh", "near-duplicate", "near duplicates", "shingles", "jaccard", "bands", "candidate pairs",
             "similar documents", "candidate pair", "banding"],
      example={"bands": 50, "rows": 4},
      cases=[
          Case({"bands": 20, "rows": 5, "duplicate_similarity": 0.8, "background_similarity": 0.2},
               {"found_share": 0.99964, "background_candidate_share": 0.00638}, abs=1e-5,
               source="Mining of Massive Datasets, ch. 3"),
          Case({"documents": 1e6}, {"all_pairs": 499_999_500_000}, rel=1e-12, source="n(n-1)/2"),
      ],
      asks=[
          Ask("MinHash LSH with 20 bands of 5 rows: which share of near-duplicates of similarity 0.8 is found?",
              "found_share", 0.99964),
          Ask("With 20 bands of 5 rows and unrelated documents at similarity 0.2, which share of them become "
              "candidates?",
              "background_candidate_share", 0.00638),
          Ask("How many pairs are there among 1M documents?", "all_pairs", 499_999_500_000),
          Ask("Where is the threshold of 50 bands with 4 rows?", "scurve_threshold", 0.376),
          Ask("minhash with 16 bands of 8 rows: what share of near-duplicates with a jaccard of 0.7 is found?",
              "found_share", 0.613268),
      ])
def near_duplicates(p: NearDuplicates, seed: int) -> ToolResult:
    """What banded MinHash (LSH) finds and misses among near-duplicate documents, and how many pairs it still compares.

    A signature has bands * rows hashes; two documents become candidates if all rows of a band agree, with probability
    1 - (1 - s^rows)^bands at similarity s. More bands find more, more rows find less; the curve is steep about
    (1/bands)^(1/rows).

    People get wrong: "the threshold is a step" (the naive arm): below it candidates appear, above it duplicates are
    missed; a set with 5e11 unrelated pairs at 0.6% candidates still compares 3e9 of them. And comparing every pair
    instead doesn't scale: it grows with the square of the documents.

    Sources: A. Broder, 1997; J. Leskovec, A. Rajaraman, J. Ullman, Mining of Massive Datasets, ch. 3.

    >>> round(near_duplicates(NearDuplicates(), 0).values["found_share"], 5)
    0.99964
    """
    found, background = lsh_scurve(p.bands, p.rows, (p.duplicate_similarity, p.background_similarity))
    every = p.documents * (p.documents - 1) / 2
    candidates = p.duplicate_pairs * found + max(every - p.duplicate_pairs, 0.0) * background
    hashes = p.bands * p.rows
    step = float(p.duplicate_similarity >= p.threshold)
    return ToolResult(
        tool="near-duplicates",
        values={"found_share": found, "missed_pairs": p.duplicate_pairs * (1 - found),
                "background_candidate_share": background, "candidate_pairs": candidates, "all_pairs": every,
                "useful_share": p.duplicate_pairs * found / candidates if candidates else None,
                "scurve_threshold": lsh_threshold(p.bands, p.rows), "hashes": hashes,
                "signature_GB": p.documents * hashes * 4 / 1e9,
                "similarity_error": minhash_error(hashes, p.duplicate_similarity)},
        units={"found_share": "fraction", "missed_pairs": "pairs", "background_candidate_share": "fraction",
               "candidate_pairs": "pairs", "all_pairs": "pairs", "useful_share": "fraction",
               "scurve_threshold": "fraction", "hashes": "hashes", "signature_GB": "GB",
               "similarity_error": "fraction"},
        naive={"found_share": step, "background_candidate_share": float(p.background_similarity >= p.threshold)},
        summary=f"{found:.4%} of the near-duplicates become candidates, and so do {background:.3%} of unrelated pairs: "
        f"{candidates:.3g} pairs to check instead of {every:.3g}. A sharp threshold at {p.threshold:g} would find "
        f"{step:.0%} and {float(p.background_similarity >= p.threshold):.0%}.",
        formula="candidate(s) = 1 - (1 - s^rows)^bands; steep at (1/bands)^(1/rows)",
        plot=_plot(p),
        assumptions=["hashes are independent", "all unrelated pairs have one similarity", "a hash takes 4 bytes"],
        warnings=[f"Unrelated pairs make up {1 - p.duplicate_pairs * found / candidates:.1%} of the candidates: more "
                  f"rows "
                  "a band thin them out."] if candidates and p.duplicate_pairs * found < candidates / 2 else [])


def _plot(p: NearDuplicates) -> Plot:
    grid = [step / 100 for step in range(101)]
    variants = [(p.bands, p.rows), (max(p.bands // 2, 1), p.rows * 2), (p.bands * 2, max(p.rows // 2, 1))]
    lines = [Line(label=f"{bands} bands of {rows}", x=list(grid), y=list(lsh_scurve(bands, rows, tuple(grid))))
             for bands, rows in dict.fromkeys(variants)]
    lines.append(Line(label="a sharp threshold (naive)", x=list(grid), y=[float(each >= p.threshold) for each in grid],
                      kind="step", dashed=True))
    return Plot(title="Bands and rows set which pairs are compared at all", x_label="similarity of a pair (fraction)",
                y_label="chance to become a candidate (fraction)", lines=lines)
