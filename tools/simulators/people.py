"""Made-up customer records with duplicates and typing errors, and who is truly who. Knows nothing of matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FIRST = ("ANNA BEN CARLA DAVID EMMA FELIX GRETA HUGO IDA JONAS KLARA LEO MARIE NOAH OLGA PAUL RITA SIMON THEA VICTOR "
          "MARTHA DWAYNE CLARA JOHN JANE MICHAEL MICHELLE STEPHEN STEFANIE CATHERINE KATHRIN ROBERT RUPERT ALINA ELENA "
          "ISMAIL FATIMA YUKI CHEN ARJUN")
_LAST = ("MILLER SCHMIDT JOHNSON JONES BROWN BRAUN MEYER MAIER WEBER FISCHER WAGNER BECKER HOFFMANN SMITH SMYTHE "
         "TAYLOR WILSON WILLIAMS ANDERSON ANDERSEN PETERSON PETERSEN NGUYEN KIM LEE LI WANG ZHANG GARCIA MARTINEZ "
         "LOPEZ ROSSI RUSSO NOVAK KOWALSKI SILVA SANTOS YILMAZ KAYA HADDAD COHEN LARSSON LARSEN DUBOIS MOREAU TANAKA "
         "SATO PATEL SINGH DICKSON DIXON")
_CITIES = "BERLIN LONDON PARIS MADRID ROME VIENNA PRAGUE OSLO DUBLIN LISBON WARSAW ATHENS"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class People:
    """Columns of equal length; `person` is the true identity."""

    first: list[str]
    last: list[str]
    year: list[int]
    city: list[str]
    person: NDArray[np.int64]


def people(records: int, duplicate_share: float, error_rate: float, seed: int) -> People:
    """`records` rows of which a share repeats someone already there. Names are drawn by popularity (rank^-0.8), years
    from 1940 to 2005; in a repeated row each field is wrong with probability `error_rate`: a letter dropped, doubled,
    swapped or replaced in a name, a digit in a year, another city."""
    rng = np.random.default_rng(seed)
    repeats = min(round(records * duplicate_share), records - 1)
    own = records - repeats
    columns = [[names[index] for index in rng.choice(len(names), own, p=_popularity(len(names)))]
               for names in (_FIRST.split(), _LAST.split(), _CITIES.split())]
    years = rng.integers(1940, 2006, own).tolist()
    rows = list(zip(columns[0], columns[1], years, columns[2], strict=True))
    person = np.concatenate([np.arange(own), rng.integers(0, own, repeats)])
    cities = _CITIES.split()
    rows += [_mistyped(rows[index], error_rate, cities, rng) for index in person[own:].tolist()]
    first, last, year, city = (list(column) for column in zip(*rows, strict=True))
    return People(first, last, year, city, person)


def _popularity(count: int) -> NDArray[np.float64]:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -0.8
    return np.asarray(weights / weights.sum())


def _mistyped(
    row: tuple[str, str, int, str], rate: float, cities: list[str], rng: np.random.Generator,
) -> tuple[str, str, int, str]:
    wrong = rng.random(4) < rate
    first, last, year, city = row
    return (_typo(first, rng) if wrong[0] else first, _typo(last, rng) if wrong[1] else last,
            _other_digit(year, rng) if wrong[2] else year,
            cities[int(rng.integers(len(cities)))] if wrong[3] else city)


def _typo(name: str, rng: np.random.Generator) -> str:
    at, letter = int(rng.integers(len(name))), _LETTERS[int(rng.integers(26))]
    kind = int(rng.integers(4))
    if kind == 0 and len(name) > 2:
        return name[:at] + name[at + 1:]
    if kind == 1:
        return name[:at] + name[at] + name[at:]
    if kind == 2 and at + 1 < len(name):
        return name[:at] + name[at + 1] + name[at] + name[at + 2:]
    return name[:at] + letter + name[at + 1:]


def _other_digit(year: int, rng: np.random.Generator) -> int:
    digits = list(str(year))
    digits[2 + int(rng.integers(2))] = str(int(rng.integers(10)))
    return int("".join(digits))
