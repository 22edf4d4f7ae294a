"""Anonymity lab: generalises a table and measures k, l, t, the attacker's gain and lost detail; adds no noise."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.anonymity import Reference, entropy_l
from tools.calculators.anonymity_tables import PATIENTS, SALARIES, Cell, Table, make_table, read_table

Groups = dict[tuple[Any, ...], list[Cell]]
"""Sensitive values by generalised quasi-identifiers."""

WIDTHS = (1, 2, 5, 10, 20, 40, 80)


class AnonymityLab(Params):
    table: Literal["synthetic", "patients", "salaries", "own"] = param(
        "patients", words=["table", "data set"], help="'own' takes the CSV")
    csv: str = param("", max_length=1_000_000, words=["csv"], help="header line and records, for table 'own'")
    quasi: str = param("", max_length=500, words=["quasi-identifiers", "known to the attacker"],
                       help="column names with commas; empty: all but the sensitive one")
    sensitive: str = param("", max_length=100, words=["sensitive", "secret"], help="empty: the last column")
    rows: int = param(2_000, ge=20, le=10_000, unit="records",
                      words=["records", "rows", "people", "persons", "synthetic patients"])
    number_width: float = param(20.0, ge=1, le=1e6, unit="years",
                                words=["age width", "age bands", "years wide", "bands of", "ranges of", "age ranges"],
                                help="numbers become ranges of this width; 1 leaves them exact")
    kept_characters: int = param(3, ge=0, le=50, unit="count",
                                 words=["zip digits", "digits of the zip", "characters kept", "digits kept", "prefix"],
                                 help="text of more characters is cut to so many")
    min_class: int = param(1, ge=1, le=1_000, unit="records",
                           words=["suppress below", "classes below", "minimum class", "k of", "at least k"],
                           help="records in smaller classes are left out")
    sorting: float = param(0.5, ge=0, le=1, unit="fraction",
                           words=["sorting", "correlation", "same disease in an area", "homogeneity"],
                           help="synthetic table: how often the disease follows from area and age")


@dataclass(frozen=True)
class Measured:
    """A generalised table: sizes and what the attacker learns. Risks are None when every record was suppressed."""

    k: int
    classes: int
    kept: int
    distinct_l: int
    entropy_l: float
    t: float
    unique: float
    identity: float
    attribute: float
    homogeneous: float
    loss: float


@tool("anonymity-lab", group="F", kind="simulator",
      words=["k-anonymity", "l-diversity", "t-closeness", "anonymise", "anonymization", "re-identification",
             "quasi-identifiers", "linkage attack", "generalisation"],
      example={"table": "synthetic", "rows": 2_000, "number_width": 10, "min_class": 5},
      cases=[
          Case({"table": "salaries", "number_width": 30}, {"k": 3, "distinct_l": 3, "t": 0.375, "classes": 3}, rel=1e-9,
               source="Li, Li & Venkatasubramanian, ICDE 2007: the class of 3K, 4K, 5K"),
          Case({"table": "patients", "number_width": 20, "kept_characters": 3},
               {"k": 4, "distinct_l": 1, "entropy_l": 1.0, "homogeneous_share": 1 / 3}, rel=1e-9,
               source="counted by hand: four cancers in one class"),
          Case({"table": "patients", "number_width": 1, "kept_characters": 5}, {"k": 1, "unique_share": 1.0,
               "identity_risk": 1.0, "utility_loss": 0.0}, source="exact data"),
      ],
      asks=[
          Ask("With the salaries table, 3 zip digits and age ranges of 30 years: how large is k?", "k", 3.0),
          Ask("How t-close is the salaries table with 3 digits of the zip and ages in ranges of 30?", "t", 0.375),
          Ask("Patients table, 3 digits of the zip kept and age bands of 20 years: what share of the records lies in a "
              "class with a single disease?", "homogeneous_share", 1 / 3),
          Ask("How likely does an attacker guess the disease in the patients table with 3 digits of the zip and ages "
              "20 years wide?", "attribute_risk", 7 / 12),
          Ask("In the patients table with 5 zip digits and exact ages (1 years wide), what share of people is unique?",
              "unique_share", 1.0),
      ])
def anonymity_lab(p: AnonymityLab, seed: int) -> ToolResult:
    """k-anonymity, l-diversity and t-closeness of a table after generalisation, and what an attacker still learns.

    Numbers become ranges, codes and words lose their end, small classes are suppressed. Records with equal
    quasi-identifiers form a class. k is the smallest class; l the fewest (or, by entropy, the effective number of)
    sensitive values in a class; t the largest distance between a class's sensitive values and the table's. The
    linkage attacker knows everybody's quasi-identifiers, e.g. from a voter roll: the identity risk is the mean chance
    of picking the right record, the attribute risk the mean chance of guessing the sensitive value by the class's most
    frequent one, beside the chance without any linkage. Utility loss is the mean share of a cell's range that is hidden
    (normalised certainty penalty); suppressed records lose all.
    People get wrong: that k-anonymity caps what is learnt at 1/k. A class of k people with one disease reveals it of
    all k; diverse values that are alike (three low salaries) still tell the range, which t measures; and a
    generalisation that defeats all this hides most of the data. None bounds what further tables add.
    Li et al. also print a t of 0.278 for diseases under a hierarchy that they draw; a recomputation from their text
    didn't give that figure, so only their distance over ordered numbers is used here.
    Sources: Sweeney 2002; Machanavajjhala et al., ICDE 2006; Li, Li & Venkatasubramanian, ICDE 2007.

    >>> anonymity_lab(AnonymityLab(table="salaries", number_width=30), 0).values["t"]
    0.375
    """
    table = _table(p, seed)
    sensitive = table.column(p.sensitive.strip()) if p.sensitive.strip() else len(table.names) - 1
    quasi = _quasi(p, table, sensitive)
    found = _measure(p, table, quasi, sensitive, p.number_width)
    baseline = max(Counter(row[sensitive] for row in table.rows).values()) / len(table.rows)
    promise = 1 / found.k if found.k else 0.0
    return ToolResult(
        tool="anonymity-lab",
        values={"k": found.k, "distinct_l": found.distinct_l, "entropy_l": found.entropy_l, "t": found.t,
                "classes": found.classes, "unique_share": found.unique, "identity_risk": found.identity,
                "attribute_risk": found.attribute, "baseline_guess": baseline, "homogeneous_share": found.homogeneous,
                "utility_loss": found.loss, "suppressed": len(table.rows) - found.kept, "records": len(table.rows)},
        units={"k": "records", "classes": "classes", "unique_share": "fraction", "identity_risk": "fraction",
               "attribute_risk": "fraction", "baseline_guess": "fraction", "homogeneous_share": "fraction",
               "utility_loss": "fraction", "suppressed": "records", "records": "records", "t": "fraction"},
        naive={"attribute_risk": promise},
        summary=_summary(found, table.names[sensitive], baseline, promise, len(table.rows)),
        formula="k = min class size; l = min exp(H(class)); t = max EMD(class, table); identity risk = classes / "
                "records; attribute risk = sum of each class's most frequent value / records",
        series=_classes(p, table, quasi, sensitive),
        plot=_plot(p, table, quasi, sensitive),
        assumptions=["the attacker knows every quasi-identifier exactly and that the person is in the table",
                     (f"quasi-identifiers: {', '.join(table.names[each] for each in quasi)}; sensitive: "
                      f"{table.names[sensitive]}")],
        warnings=_warnings(found, baseline, len(table.rows)),
    )


def _table(p: AnonymityLab, seed: int) -> Table:
    if p.table == "synthetic":
        return make_table(p.rows, p.sorting, seed)
    if p.table == "own" and not p.csv.strip():
        raise ToolError("anonymity-lab: table 'own' needs csv, a header line and records.")
    return read_table({"patients": PATIENTS, "salaries": SALARIES, "own": p.csv}[p.table])


def _quasi(p: AnonymityLab, table: Table, sensitive: int) -> list[int]:
    names = [each.strip() for each in p.quasi.split(",") if each.strip()]
    chosen = [table.column(each) for each in names] or [each for each in range(len(table.names)) if each != sensitive]
    if sensitive in chosen or not chosen:
        raise ToolError(f"anonymity-lab: the sensitive column {table.names[sensitive]!r} can't be a quasi-identifier; "
                        "name at least one other column.")
    return chosen


def _groups(p: AnonymityLab, table: Table, quasi: list[int], sensitive: int, width: float) -> Groups:
    found: Groups = {}
    for row in table.rows:
        key = tuple(math.floor(float(row[each]) / width) if table.numeric[each] and width > 1 else
                    row[each] if table.numeric[each] else str(row[each])[:p.kept_characters] for each in quasi)
        found.setdefault(key, []).append(row[sensitive])
    return found


def _measure(p: AnonymityLab, table: Table, quasi: list[int], sensitive: int, width: float) -> Measured:
    groups = [each for each in _groups(p, table, quasi, sensitive, width).values() if len(each) >= p.min_class]
    kept = sum(map(len, groups))
    loss = round(1 - kept / len(table.rows) * (1 - _loss(p, table, quasi, width)), 12)
    if not groups:
        return Measured(0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    overall = Counter(value for group in groups for value in group)
    counts = [Counter(group) for group in groups]
    reference = Reference(overall, table.numeric[sensitive])
    return Measured(
        k=min(map(len, groups)), classes=len(groups), kept=kept, distinct_l=min(map(len, counts)),
        entropy_l=round(min(float(entropy_l(list(map(float, each.values())))) for each in counts), 12),
        t=round(max(map(reference.distance, counts)), 12), unique=sum(len(each) == 1 for each in groups) / kept,
        identity=len(groups) / kept, attribute=sum(max(each.values()) for each in counts) / kept,
        homogeneous=sum(each.total() for each in counts if len(each) == 1) / kept, loss=loss)


def _loss(p: AnonymityLab, table: Table, quasi: list[int], width: float) -> float:
    """Mean over the quasi-identifiers of the hidden share of a cell."""
    losses = []
    for each in quasi:
        column = [row[each] for row in table.rows]
        if table.numeric[each]:
            numbers = [float(value) for value in column]
            spread = max(numbers) - min(numbers)
            losses.append(min(1.0, width / spread) if spread and width > 1 else 0.0)
        else:
            lengths = [len(str(value)) for value in column]
            hidden = [max(0, length - p.kept_characters) / length for length in lengths if length]
            losses.append(math.fsum(hidden) / len(lengths))
    return math.fsum(losses) / len(losses)


def _classes(p: AnonymityLab, table: Table, quasi: list[int], sensitive: int) -> dict[str, list[Any]]:
    """The 50 smallest classes, as the attacker sees them."""
    groups = _groups(p, table, quasi, sensitive, p.number_width)
    rows = [item for item in groups.items() if len(item[1]) >= p.min_class]
    shown = sorted(rows, key=lambda item: (len(item[1]), str(item[0])))[:50]
    top = [Counter(values).most_common(1)[0] for _, values in shown]
    return {"class": [_label(p, table, quasi, key) for key, _ in shown],
            "records": [len(values) for _, values in shown],
            "most_frequent": [value for value, _ in top],
            "its_share": [count / len(values) for (_, count), (_, values) in zip(top, shown, strict=True)]}


def _label(p: AnonymityLab, table: Table, quasi: list[int], key: tuple[Any, ...]) -> str:
    parts = []
    for each, cell in zip(quasi, key, strict=True):
        if not table.numeric[each]:
            parts.append(f"{cell}*")
        elif p.number_width > 1:
            parts.append(f"{cell * p.number_width:g}-{(cell + 1) * p.number_width:g}")
        else:
            parts.append(f"{cell:g}")
    return " ".join(parts)


def _plot(p: AnonymityLab, table: Table, quasi: list[int], sensitive: int) -> Plot:
    widths = sorted({float(each) for each in WIDTHS} | {p.number_width})
    rows = [_measure(p, table, quasi, sensitive, each) for each in widths]
    x: list[float | str] = list(widths)
    return Plot(title="Wider ranges hide people, not what they share", x_label="width of number ranges (column's unit)",
                y_label="share (fraction)", log_x=True, lines=[
                    Line(label="identity risk", x=x, y=[each.identity for each in rows]),
                    Line(label="attribute risk", x=x, y=[each.attribute for each in rows]),
                    Line(label="t of the worst class", x=x, y=[each.t for each in rows]),
                    Line(label="utility loss", x=x, y=[each.loss for each in rows]),
                    Line(label="1/k, the supposed cap (naive)", x=x, dashed=True,
                         y=[1 / each.k if each.k else 0.0 for each in rows]),
                ], marks=[{"axis": "x", "at": p.number_width, "label": f"width {p.number_width:g}"}])


def _summary(found: Measured, secret: str, baseline: float, promise: float, records: int) -> str:
    if not found.k:
        return f"Every one of the {records} records lies in a class below the minimum, so nothing is published."
    return (f"The table is {found.k}-anonymous, {found.distinct_l}-diverse (entropy l {found.entropy_l:.3g}) and "
            f"{found.t:.3f}-close, and hides {found.loss:.0%} of its detail. A linking attacker guesses {secret} right "
            f"for {found.attribute:.1%} of the people (without linking {baseline:.1%}), where 1/k would promise "
            f"{promise:.1%} at most.")


def _warnings(found: Measured, baseline: float, records: int) -> list[str]:
    notes = []
    if found.unique > 0:
        notes.append(f"{found.unique:.1%} of the records are unique: whoever knows the person has the record.")
    if found.homogeneous > 0:
        notes.append(f"{found.homogeneous:.1%} of the records lie in classes with a single sensitive value, which is "
                     "thereby revealed whatever k is.")
    if found.kept < records:
        notes.append(f"{records - found.kept} records are suppressed, which hits rare people and biases the data.")
    if found.k and found.attribute > 2 * baseline:
        notes.append("Linking more than doubles the attacker's success.")
    return notes
