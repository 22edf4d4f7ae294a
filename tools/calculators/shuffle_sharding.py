"""Shuffle sharding: how likely a small flow finds every queue of its hand taken by big ones. Knows no queue lengths."""

from __future__ import annotations

import math
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, formula, param, tool

ENTROPY_BITS = 60
"""Hash bits that API Priority and Fairness has for dealing a hand; more isn't valid."""

_TABLE = "kubernetes.io, API Priority and Fairness, example shuffle sharding configurations"
_HAND: dict[str, Any] = {"ge": 1, "le": 64, "unit": "count", "words": ["hand size", "handSize", "hand of", "hand"]}
_QUEUES: dict[str, Any] = {"ge": 1, "le": 4_096, "unit": "count", "words": ["queues", "deck"]}
_ELEPHANTS: dict[str, Any] = {"ge": 0, "le": 256, "unit": "count",
                              "words": ["elephants", "heavy flows", "big flows", "noisy", "heavy"]}


@formula("k8s.apf_squish", words=["apf", "shuffle sharding", "api priority and fairness"], cases=[
    Case({"hand": 12, "queues": 32, "elephants": [1, 4, 16]},
         {"result": [4.428838398950118e-09, 0.11431348830099144, 0.9935089607656024]}, rel=1e-9, source=_TABLE),
    Case({"hand": 10, "queues": 32, "elephants": [1, 4, 16]},
         {"result": [1.550093439632541e-08, 0.0626479840223545, 0.9753101519027554]}, rel=1e-9, source=_TABLE),
    Case({"hand": 8, "queues": 64, "elephants": [1, 4, 16]},
         {"result": [2.25929199850899e-10, 0.0004886697053040446, 0.35935114681123076]}, rel=1e-9, source=_TABLE),
    Case({"hand": 8, "queues": 128, "elephants": [1, 4, 16]},
         {"result": [6.994461389026097e-13, 3.4055790161620863e-06, 0.02746173137155063]}, rel=1e-9, source=_TABLE),
    Case({"hand": 6, "queues": 256, "elephants": [1, 4, 16]},
         {"result": [2.7134626662687968e-12, 2.9516464018476436e-07, 0.0008895654642000348]}, rel=1e-9, source=_TABLE),
    Case({"hand": 6, "queues": 1024, "elephants": [1, 4, 16]},
         {"result": [6.337324016514285e-16, 8.09060164312957e-11, 4.517408062903668e-07]}, rel=1e-9, source=_TABLE),
])
def apf_squish(
    hand: int = param(**_HAND), queues: int = param(**_QUEUES),
    elephants: list[int] | int = param(words=["elephants"], help="one number or a list"),
) -> list[float] | float:
    """Probability that a mouse (small flow) shares every queue of its hand with some elephant (big flow), for each
    number of elephants.

    Hands are random sets of `hand` out of `queues`. Inclusion and exclusion over the mouse's queues that no elephant
    touches: sum over j of (-1)**j C(h, j) (C(Q-j, h) / C(Q, h))**e, in exact integers."""
    counts = [elephants] if isinstance(elephants, int) else elephants
    if not counts or len(counts) > 20 or min(counts) < 0 or max(counts) > 256:
        raise ToolError("k8s.apf_squish: each number of elephants must lie between 0 and 256, and at most 20 be given.")
    if hand > queues:
        raise ToolError(f"k8s.apf_squish: hand is {hand} of only {queues} queues; it must lie between 1 and {queues}.")
    squished = [squish(hand, queues, count) for count in counts]
    return squished[0] if isinstance(elephants, int) else squished


@formula("k8s.apf_entropy_bits", words=["hash bits", "entropy of the hand"], unit="bits", cases=[
    Case({"hand": 8, "queues": 64}, {"result": 48}, source="ceil(log2(64*63*...*57))"),
    Case({"hand": 12, "queues": 32}, {"result": 57}, source="ceil(log2(32*31*...*21))"),
])
def apf_entropy_bits(hand: int = param(**_HAND), queues: int = param(**_QUEUES)) -> int:
    """Hash bits that dealing a hand takes, log2 of queues!/(queues-hand)! rounded up; Kubernetes allows 60."""
    if hand > queues:
        raise ToolError(f"k8s.apf_entropy_bits: hand is {hand} of only {queues} queues; it must be at most {queues}.")
    return (math.perm(queues, hand) - 1).bit_length()


@formula("k8s.apf_max_queued", words=["queued requests of one flow"], unit="requests", cases=[
    Case({"hand": 8, "queue_length": 50}, {"result": 400}, source="kubernetes.io: handSize * queueLengthLimit"),
], asks=[
    Ask("How many requests can one flow have waiting with a hand size of 6 and a queue length of 50?", "result", 300),
])
def apf_max_queued(
    hand: int = param(**_HAND),
    queue_length: int = param(50, ge=1, le=10**6, unit="requests", words=["queueLengthLimit", "queue length"]),
) -> int:
    """Most requests that one flow can have waiting, handSize * queueLengthLimit."""
    return hand * queue_length


@formula("k8s.apf_occupied", words=["queues occupied", "queues taken"], unit="count", cases=[
    Case({"hand": 8, "queues": 64, "elephants": 4}, {"result": 26.4844}, abs=1e-4, source="64*(1 - (1 - 8/64)**4)"),
], asks=[
    Ask("How many of 64 queues do 4 elephants with a hand size of 8 occupy on average?", "result", 26.4844),
])
def apf_occupied(
    hand: int = param(**_HAND), queues: int = param(**_QUEUES), elephants: int = param(**_ELEPHANTS),
) -> float:
    """Queues that hold requests of some elephant, on average."""
    return float(queues * (1 - (1 - min(hand, queues) / queues) ** elephants))


def squish(hand: int, queues: int, elephants: int) -> float:
    """The probability for one number of elephants, correctly rounded."""
    numerator = sum((-1) ** j * math.comb(hand, j) * math.comb(queues - j, hand) ** elephants for j in range(hand + 1))
    whole: int = math.comb(queues, hand) ** elephants
    return float(numerator / whole)


class ShuffleSharding(Params):
    hand_size: int = param(8, **_HAND)
    queues: int = param(64, **_QUEUES)
    elephants: int = param(4, **_ELEPHANTS)
    queue_length: int = param(50, ge=1, le=10**6, unit="requests", words=["queue length", "queueLengthLimit"])


@tool("apf-shuffle-sharding", group="J", example={"hand_size": 12, "queues": 32, "elephants": 16},
      words=["api priority and fairness", "apf", "shuffle sharding", "shuffle-sharding", "hand size", "noisy neighbour",
             "mouse and elephants", "squished", "mouse", "squish probability"],
      cases=[
          Case({"hand_size": 8, "queues": 64, "elephants": 16}, {"squish_probability": 0.35935114681123076}, rel=1e-9,
               source=_TABLE),
          Case({"hand_size": 12, "queues": 32, "elephants": 4}, {"squish_probability": 0.11431348830099144}, rel=1e-9,
               source=_TABLE),
          Case({"hand_size": 10, "queues": 64, "elephants": 16}, {"squish_probability": 0.49999929150089345}, rel=1e-9,
               source=_TABLE),
      ],
      asks=[
          Ask("APF with a hand size of 8 out of 64 queues and 16 elephants: how likely is a mouse squished?",
              "squish_probability", 0.35935),
          Ask("What is the squish probability for handSize 12, 32 queues and 4 heavy flows?", "squish_probability",
              0.114313),
          Ask("With 64 queues and 16 elephants, which hand size is safest?", "best_hand_size", 3),
          Ask("How many requests can one flow queue up with a hand size of 8 and a queue length of 50?", "max_queued",
              400),
          Ask("What is the probability that a mouse gets squished with 128 queues, a hand size of 6 and 10 "
              "elephants?", "squish_probability", 0.00262178),
      ])
def apf_shuffle_sharding(p: ShuffleSharding, seed: int) -> ToolResult:
    """How often a small client of the API server is squished by big ones, given the hand size and number of queues.

    API Priority and Fairness deals each flow a hand of `hand_size` queues and puts a request into the shortest of them.
    Elephants keep all queues of their hands full; a mouse is squished when its whole hand is covered by theirs.
    Exact by inclusion and exclusion; it gives the rows of the Kubernetes table to the last digits.
    People get wrong: a bigger hand is always safer. Two flows collide completely less often, but each elephant fills
    more queues: with 16 elephants on 64 queues a hand of 12 squishes two mice in three, one of 3 a mouse in seven.
    Adding up single elephants (naive) misses it by orders of magnitude, because they cover the hand together.
    Source: Kubernetes documentation, flow control. Queues at all only matter while the level is overloaded.

    >>> round(apf_shuffle_sharding(ShuffleSharding(elephants=16), 0).values["squish_probability"], 6)
    0.359351
    """
    if p.hand_size > p.queues:
        raise ToolError(f"apf-shuffle-sharding: hand_size is {p.hand_size} of only {p.queues} queues; it must lie "
                        f"between 1 and {p.queues}.")
    hands = list(range(1, min(p.queues, 24) + 1))
    curve = {count: [squish(hand, p.queues, count) for hand in hands] for count in {1, 4, 16} | {p.elephants}}
    probability = squish(p.hand_size, p.queues, p.elephants)
    best = min(hands, key=lambda hand: curve[p.elephants][hand - 1])
    bits = apf_entropy_bits(p.hand_size, p.queues)
    naive = min(1.0, p.elephants / math.comb(p.queues, p.hand_size))
    return ToolResult(
        tool="apf-shuffle-sharding",
        values={"squish_probability": probability, "best_hand_size": best,
                "at_best_hand_size": curve[p.elephants][best - 1],
                "occupied_queues": apf_occupied(p.hand_size, p.queues, p.elephants), "entropy_bits": bits,
                "max_queued": apf_max_queued(p.hand_size, p.queue_length), "valid": bits <= ENTROPY_BITS},
        units={"squish_probability": "fraction", "best_hand_size": "queues", "occupied_queues": "queues",
               "max_queued": "requests"},
        naive={"squish_probability": naive},
        summary=f"A mouse is squished with probability {probability:.3g} by {p.elephants} elephants (hand "
        f"{p.hand_size} of {p.queues} queues); counting elephants one by one gives {naive:.3g}. The safest hand is "
        f"{best} ({curve[p.elephants][best - 1]:.3g}), so a bigger hand isn't always safer.",
        formula="sum_j (-1)^j C(h,j) [C(Q-j,h)/C(Q,h)]^e",
        series={"hand_size": list(hands)} | {f"elephants_{count}": list(row) for count, row in sorted(curve.items())},
        plot=Plot(title=f"A bigger hand isn't always safer: {p.queues} queues", x_label="hand size (queues)",
                  y_label="chance to be squished (fraction)",
                  log_y=True, lines=[
                      *(Line(label=f"{count} elephant{'s' if count != 1 else ''}", x=list(hands), y=list(row))
                        for count, row in sorted(curve.items())),
                      Line(label=f"{p.elephants} counted one by one (naive)", x=list(hands), dashed=True,
                           y=[min(1.0, p.elephants / math.comb(p.queues, hand)) for hand in hands])],
                  marks=[{"axis": "x", "at": p.hand_size, "label": f"hand {p.hand_size}"}]),
        assumptions=["hands are random and independent", "elephants fill every queue of their hands",
                     "hands up to 24 are compared for the safest"],
        warnings=[] if bits <= ENTROPY_BITS else
        [f"Kubernetes refuses this: dealing the hand takes {bits} hash bits and {ENTROPY_BITS} are there."],
    )
