"""Distances between two strings: Jaro, Winkler's prefix, Levenshtein with and without swaps, Soundex."""

from __future__ import annotations

_SOUNDEX = {letter: digit for digit, letters in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"),
                                                          1) for letter in letters}


def jaro(a: str, b: str) -> float:
    """Jaro similarity, 0 to 1; 0 if either is empty, for nothing known is no agreement.

    >>> round(jaro("DIXON", "DICKSONX"), 4)
    0.7667
    """
    reach = max(max(len(a), len(b)) // 2 - 1, 0)
    taken = [False] * len(b)
    mine = []
    for place, char in enumerate(a):
        for other in range(max(place - reach, 0), min(place + reach + 1, len(b))):
            if not taken[other] and b[other] == char:
                taken[other] = True
                mine.append(char)
                break
    if not mine:
        return 0.0
    theirs = [char for char, used in zip(b, taken, strict=True) if used]
    swapped = sum(x != y for x, y in zip(mine, theirs, strict=True)) // 2
    same = len(mine)
    return (same / len(a) + same / len(b) + (same - swapped) / same) / 3


def winkler(similarity: float, a: str, b: str, weight: float = 0.1, above: float = 0.7) -> float:
    """A Jaro similarity raised for up to four equal first characters, if it is over `above`."""
    if similarity <= above:
        return similarity
    prefix = 0
    while prefix < min(4, len(a), len(b)) and a[prefix] == b[prefix]:
        prefix += 1
    return similarity + prefix * weight * (1 - similarity)


def edits(a: str, b: str, swaps: bool = False) -> int:
    """Levenshtein distance, or with `swaps` the unrestricted Damerau-Levenshtein distance (R. Lowrance and R. Wagner,
    1975)."""
    if not swaps:
        row = list(range(len(b) + 1))
        for place, char in enumerate(a, 1):
            diagonal, row[0] = row[0], place
            for other, against in enumerate(b, 1):
                diagonal, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, diagonal + (char != against))
        return row[-1]
    most = len(a) + len(b)
    table = [[most] * (len(b) + 2) for _ in range(len(a) + 2)]
    for place in range(len(a) + 1):
        table[place + 1][1] = place
    for place in range(len(b) + 1):
        table[1][place + 1] = place
    last_in_a: dict[str, int] = {}
    for place, char in enumerate(a, 1):
        last_in_b = 0
        for other, against in enumerate(b, 1):
            row_of, column_of = last_in_a.get(against, 0), last_in_b
            if char == against:
                last_in_b = other
            table[place + 1][other + 1] = min(
                table[place][other] + (char != against), table[place + 1][other] + 1, table[place][other + 1] + 1,
                table[row_of][column_of] + (place - row_of - 1) + 1 + (other - column_of - 1))
        last_in_a[char] = place
    return table[-1][-1]


def soundex_code(name: str) -> str:
    """American Soundex; H and W don't part two equal digits, vowels do. Empty for a name without letters.

    >>> soundex_code("Pfister")
    'P236'
    """
    letters = [char for char in name.upper() if "A" <= char <= "Z"]
    if not letters:
        return ""
    digits, before = [], _SOUNDEX.get(letters[0], 0)
    for letter in letters[1:]:
        digit = _SOUNDEX.get(letter, 0)
        if digit and digit != before:
            digits.append(str(digit))
        if letter not in "HW":
            before = digit
    return (letters[0] + "".join(digits) + "000")[:4]
