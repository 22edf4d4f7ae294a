"""Secure aggregation: plays the double-masking protocol with real sharing and recovery on toy keys; no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.base import Ask, Case, Line, Params, Plot, ToolError, ToolResult, param, tool
from tools.calculators.secagg import expand, secagg_modulus_bits, secagg_server_masks, secagg_user_bits

PRIME = 2**127 - 1
GENERATOR = 3
MAX_WORDS = 20_000_000
BINS = 16
SHOWN_ENTRIES = 40


class SecureAggregation(Params):
    clients: int = param(10, ge=2, le=60, unit="clients", words=["clients", "users", "devices", "phones", "in a round"])
    dropouts: int = param(2, ge=0, le=59, unit="clients", words=["dropouts", "drop out", "dropped", "disconnect"])
    threshold: int | None = param(None, ge=1, le=60, unit="clients", words=["threshold", "shares needed", "t of"],
                                  help="shares that rebuild a secret; none: a majority of the clients")
    dim: int = param(1_000, ge=8, le=50_000, unit="count", words=["dimension", "entries", "parameters", "weights"])
    bits: int = param(16, ge=2, le=24, unit="bits", words=["bits an entry", "bits", "quantised to"])
    modulus_bits: int = param(32, ge=8, le=60, unit="bits", words=["modulus", "modulus bits", "mod 2^"])
    clip: float = param(1.0, ge=1e-6, le=1e6, unit="count", words=["clip", "clipped to"])


@dataclass(frozen=True)
class Client:
    """What a client holds: its quantised update, its secrets, and its shares of everybody's secrets."""

    plain: Any
    masked: Any
    secret: int
    seed: int


@dataclass(frozen=True)
class Round:
    """The survivors' true sum, what the server gets with and without recovery (None: the round is aborted)."""

    true: Any
    recovered: Any
    naive: Any


@tool("secure-aggregation", group="F", kind="simulator",
      words=["secure aggregation", "masks cancel", "SecAgg", "pairwise masks", "dropout recovery", "secret sharing",
             "masked updates"],
      example={"clients": 20, "dropouts": 5, "threshold": 14},
      cases=[
          Case({}, {"sum_exact": True, "recovered": True, "survivors": 8, "server_masks": 24},
               source="Bonawitz et al., CCS 2017: the survivors' sum is exact"),
          Case({"dropouts": 5}, {"recovered": False, "sum_exact": None}, source="5 survivors of 10 are no majority"),
          Case({"bits": 16, "modulus_bits": 16, "dropouts": 0}, {"sum_exact": False}, source="the sum wraps around"),
          Case({"clients": 60, "dim": 1_000}, {"expansion": 8.031}, abs=0.001, source="message by message"),
      ],
      asks=[
          Ask("Secure aggregation with 10 clients and 2 dropouts: how many masks must the server expand?",
              "server_masks", 24.0),
          Ask("With 20 clients and 3 dropouts, how many updates are in the secure sum?", "survivors", 17.0),
          Ask("How many pairwise secrets do 50 clients agree on in secure aggregation?", "pairs", 1_225.0),
          Ask("How many bits does the sum of 16-bit entries of 32 clients need?", "bits_needed", 21.0),
      ])
def secure_aggregation(p: SecureAggregation, seed: int) -> ToolResult:
    """One round of secure aggregation with dropouts: what the server sees, and whether the sum comes out.

    Every pair of clients agrees on a secret (Diffie-Hellman), from which one adds and the other subtracts a mask; each
    adds a mask of its own too. Both secrets are split among all clients (Shamir), so that any `threshold` of them can
    rebuild one. The server adds what arrives; of survivors it asks for the shares of the own mask, of dropouts for
    those of the pairwise secret, never both. The own mask protects a client that is only late: without it, a server
    that claims a dropout could unmask the update when it arrives. Keys are toys of 127 bits.
    People get wrong: that it hides what the model learns. It hides single updates, and gives the server the *sum*
    exactly: two sums that differ by one client reveal that client to the last bit (`difference_error` 0), so add noise
    (differential privacy) too. And that cancelling masks suffice: after one dropout the plain sum is random.
    Counting the messages gives the paper's 1.73 (2^10 users, 2^20 entries of 16 bits) and 1.98 (2^14, 2^24).
    Sources: Bonawitz et al., "Practical Secure Aggregation", CCS 2017; Shamir, CACM 22(11), 1979.

    >>> secure_aggregation(SecureAggregation(clients=4, dropouts=1, threshold=3), 0).values["sum_exact"]
    True
    """
    _check(p)
    clients = _clients(p, seed)
    played = _play(p, clients, seed)
    alive = p.clients - p.dropouts
    exact = None if played.recovered is None else bool((played.recovered == played.true).all())
    naive_exact = bool((played.naive == played.true).all())
    needed = int(secagg_modulus_bits(p.clients, p.bits))
    expansion = float(secagg_user_bits(p.clients, p.dim, p.bits, 256)) / (p.dim * p.bits)
    flat = _unevenness(clients[0].masked, p.modulus_bits)
    return ToolResult(
        tool="secure-aggregation",
        values={"sum_exact": exact, "recovered": played.recovered is not None, "survivors": alive,
                "pairs": p.clients * (p.clients - 1) // 2,
                "server_masks": int(secagg_server_masks(p.clients, p.dropouts)), "threshold": _threshold(p),
                "bits_needed": needed, "expansion": expansion, "masked_unevenness": flat,
                "plain_unevenness": _unevenness(clients[0].plain, p.modulus_bits),
                "correlation": _correlation(clients[0]),
                "difference_error": _difference_error(p, clients), "quantisation_step": 2 * p.clip / (2**p.bits - 1)},
        units={"survivors": "clients", "pairs": "count", "server_masks": "count", "bits_needed": "bits",
               "threshold": "clients"},
        naive={"sum_exact": naive_exact, "wrong_entries": float((played.naive != played.true).mean())},
        summary=_summary(p, exact, naive_exact, flat),
        formula="y_u = x_u + PRG(b_u) + sum over v>u of PRG(s_uv) - sum over v<u of PRG(s_uv)  (mod 2^modulus_bits)",
        series={"plain": _ints(clients[0].plain), "masked": _ints(clients[0].masked), "true_sum": _ints(played.true),
                "server_sum": [] if played.recovered is None else _ints(played.recovered)},
        plot=_plot(p, clients[0], played),
        assumptions=["dropouts happen after sharing keys and before sending the update",
                     "the server follows the protocol and only watches",
                     f"keys and shares of 256 bits in the traffic; updates are clipped to {p.clip:g} and rounded"],
        warnings=_warnings(p, needed),
    )


def _check(p: SecureAggregation) -> None:
    if p.dropouts >= p.clients:
        raise ToolError(f"secure-aggregation: {p.dropouts} of {p.clients} clients drop out; at least one must stay.")
    if _threshold(p) > p.clients:
        raise ToolError(f"secure-aggregation: threshold is {p.threshold}, which {p.clients} clients can't reach.")
    if p.clients**2 * p.dim > MAX_WORDS:
        raise ToolError(f"secure-aggregation: clients^2 * dim is {p.clients**2 * p.dim}; it may be {MAX_WORDS} at "
                        f"most.")


def _threshold(p: SecureAggregation) -> int:
    return p.threshold or p.clients // 2 + 1


def _clients(p: SecureAggregation, seed: int) -> list[Client]:
    """Draws updates and secrets, agrees on pairwise secrets, and masks."""
    import numpy as np

    rng = np.random.default_rng(seed)
    updates = np.clip(rng.normal(0, p.clip / 3, (p.clients, p.dim)), -p.clip, p.clip)
    levels = np.round((updates + p.clip) / (2 * p.clip) * (2**p.bits - 1)).astype(np.uint64)
    secrets = [_draw(rng) for _ in range(2 * p.clients)]
    keys = [pow(GENERATOR, each, PRIME) for each in secrets[: p.clients]]
    masked = levels.copy()
    for low in range(p.clients):
        masked[low] += expand(_bytes(secrets[p.clients + low]), p.dim)
        for high in range(low + 1, p.clients):
            mask = expand(_bytes(pow(keys[high], secrets[low], PRIME)), p.dim)
            masked[low] += mask
            masked[high] -= mask
    room = np.uint64(2**p.modulus_bits - 1)
    return [Client(levels[u] & room, masked[u] & room, secrets[u], secrets[p.clients + u]) for u in range(p.clients)]


def _play(p: SecureAggregation, clients: list[Client], seed: int) -> Round:
    """The server's sum: the last `dropouts` clients are missing."""
    import numpy as np

    room = np.uint64(2**p.modulus_bits - 1)
    alive, gone = clients[: p.clients - p.dropouts], range(p.clients - p.dropouts, p.clients)
    true = sum((each.plain for each in alive), np.zeros(p.dim, dtype=np.uint64))
    naive = sum((each.masked for each in alive), np.zeros(p.dim, dtype=np.uint64))
    without_own = naive.copy()
    for each in alive:
        without_own -= expand(_bytes(each.seed), p.dim)
    if len(alive) < _threshold(p):
        return Round(true, None, without_own & room)
    rng = np.random.default_rng([seed, 1])
    shares = [_share(each.seed if u < len(alive) else each.secret, p, rng) for u, each in enumerate(clients)]
    rebuilt = [_rebuild({v + 1: each[v] for v in range(_threshold(p))}) for each in shares]
    total = naive.copy()
    for u in range(len(alive)):
        total -= expand(_bytes(rebuilt[u]), p.dim)
    for v in gone:
        for each in alive:
            total -= expand(_bytes(pow(pow(GENERATOR, each.secret, PRIME), rebuilt[v], PRIME)), p.dim)
    return Round(true, total & room, without_own & room)


def _draw(rng: Any) -> int:
    return int.from_bytes(rng.bytes(16), "big") % PRIME


def _bytes(secret: int) -> bytes:
    return secret.to_bytes(16, "big")


def _share(secret: int, p: SecureAggregation, rng: Any) -> list[int]:
    """Shamir: values at 1..n of a random polynomial of degree threshold-1 with the secret at 0."""
    coefficients = [secret, *(_draw(rng) for _ in range(_threshold(p) - 1))]
    found = []
    for x in range(1, p.clients + 1):
        value = 0
        for each in reversed(coefficients):
            value = (value * x + each) % PRIME
        found.append(value)
    return found


def _rebuild(shares: dict[int, int]) -> int:
    """The polynomial's value at 0 by Lagrange's formula."""
    total = 0
    for x, y in shares.items():
        above = below = 1
        for other in shares:
            if other != x:
                above, below = above * other % PRIME, below * (other - x) % PRIME
        total += y * above * pow(below, -1, PRIME)
    return total % PRIME


def _difference_error(p: SecureAggregation, clients: list[Client]) -> int:
    """What an attacker misses who subtracts the sum without client 0 from the sum with it."""
    import numpy as np

    room = np.uint64(2**p.modulus_bits - 1)
    everyone = sum((each.plain for each in clients), np.zeros(p.dim, dtype=np.uint64)) & room
    others = sum((each.plain for each in clients[1:]), np.zeros(p.dim, dtype=np.uint64)) & room
    return int((((everyone - others) & room) != clients[0].plain).sum())


def _unevenness(vector: Any, modulus_bits: int) -> float:
    """Chi-square per degree of freedom over 16 equal bins: about 1 for uniform values."""
    import numpy as np

    counts = np.bincount((vector >> np.uint64(modulus_bits - 4)).astype(int), minlength=BINS)
    mean = vector.size / BINS
    return float(((counts - mean) ** 2 / mean).sum() / (BINS - 1))


def _correlation(client: Client) -> float:
    import numpy as np

    plain, masked = client.plain.astype(float), client.masked.astype(float)
    if plain.std() == 0 or masked.std() == 0:
        return 0.0
    return float(np.corrcoef(plain, masked)[0, 1])


def _ints(vector: Any) -> list[int]:
    return [int(each) for each in vector[:200]]


def _plot(p: SecureAggregation, client: Client, played: Round) -> Plot:
    """The first entries of one update, plain and masked, and of the sum, with and without recovery."""
    shown = range(min(p.dim, SHOWN_ENTRIES))

    def points(label: str, vector: Any, dashed: bool = False) -> Line:
        # 0 has no place on a logarithmic axis; it is drawn at 1.
        return Line(label=label, kind="scatter", dashed=dashed, x=[n + 1 for n in shown], y=[max(1, int(vector[n])) for n in shown])

    lines = [points("one client's update", client.plain), points("the same, masked: what the server gets", client.masked)]
    if played.recovered is not None:
        lines.append(points("sum at the server", played.recovered))
    lines.append(points("sum without recovery (naive)", played.naive, dashed=True))
    return Plot(title="Masks hide each update, the sum still shows", x_label="entry of the update (number)",
                y_label=f"value (0 to 2^{p.modulus_bits}, logarithmic)", log_y=True, lines=lines)


def _summary(p: SecureAggregation, exact: bool | None, naive_exact: bool, flat: float) -> str:
    alive = p.clients - p.dropouts
    if exact is None:
        return (f"{p.dropouts} of {p.clients} clients dropped out: {alive} survivors are fewer than the threshold of "
                f"{_threshold(p)}, so the round is aborted and nobody learns the sum.")
    text = (f"The server gets the {'exact' if exact else 'wrong'} sum of {alive} updates; a masked update looks "
            f"uniform (chi-square {flat:.2f} per degree of freedom).")
    if p.dropouts and not naive_exact:
        text += f" Without recovery the masks towards {p.dropouts} dropouts would leave noise."
    return text + " The sum itself is not hidden."


def _warnings(p: SecureAggregation, needed: int) -> list[str]:
    found = ["The server learns the sum; two sums that differ by one client reveal its update. Add noise."]
    if needed > p.modulus_bits:
        found.append(f"The sum of {p.clients} entries of {p.bits} bits needs {needed} bits and wraps around modulo "
                     f"2^{p.modulus_bits}.")
    if _threshold(p) <= p.clients // 2:
        found.append("With a threshold of at most half the clients, a server can get both secrets of a client from two "
                     "halves and unmask it.")
    if p.clients - p.dropouts == 1:
        found.append("A sum of one update is that update.")
    return found
