"""`make bench`: our figures beside a stock LangChain splitter + Chroma + MiniLM, `create_agent` and the tools' peers, in one run.

Medians over pinned inputs; figures are printed as they come out, whatever they are. Sets outside the project are named with
--data; without them their rows say that they were left out.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval.bench_tools import speed_rows
from eval.cases import CaseError, load_external
from eval.peer import Peer

TURNS, WARM_UP, ROUNDS = 60, 10, 3
QUESTIONS = ("What is a watermark?", "Compare DDP and FSDP", "Why do retries need a budget?", "List the parts of a feature store",
             "How does log-based change data capture work?", "What does point-in-time correctness mean?",
             "How does a token bucket allow bursts?", "Who won the football world cup?")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.bench", description="Figures beside the peer's, in one run.")
    parser.add_argument("--data", type=Path, help="folder with external retrieval sets (each a folder that eval can read)")
    parser.add_argument("--notes", type=Path, help="a document to ingest from cold (default: the built-in course)")
    args = parser.parse_args(argv)
    rows: list[tuple[str, str, str]] = [("figure", "peer", "ours")]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        rows += _ingest(scratch, args.notes)
        rows += _turns(scratch)
        rows += _overhead(scratch)
        rows += _cold(scratch)
        rows += _retrieval(scratch, args.data)
    rows += speed_rows()
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _ingest(scratch: Path, notes: Path | None) -> list[tuple[str, str, str]]:
    """Wall time of a process that starts and ingests, in seconds; the home's template is in place, as after the set-up."""
    source = notes or Path(__file__).parent.parent / "memory" / "course"
    code = "import sys; from api.cli.main import main; sys.exit(main(sys.argv[1:]))"
    ours = _seconds([sys.executable, "-c", code, "--home", str(scratch / "cold"), "--json", "ingest", str(source)])
    peer = _seconds([sys.executable, "-m", "eval.peer", str(source), str(scratch / "peer")])
    return [(f"ingest of {source.name} from cold, s", f"{peer:.1f}", f"{ours:.1f}")]


def _cold(scratch: Path) -> list[tuple[str, str, str]]:
    code = "import sys; from api.cli.main import main; sys.exit(main(sys.argv[1:]))"
    told = statistics.median(_seconds([sys.executable, "-c", code, "--help"]) for _ in range(3))
    asked = statistics.median(
        _seconds([sys.executable, "-c", code, "--home", str(scratch / "cold"), "--json", "ask", QUESTIONS[0]]) for _ in range(3))
    return [("tutor --help from cold, s", "-", f"{told:.2f}"), ("tutor ask from cold, s", "-", f"{asked:.2f}")]


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return time.perf_counter() - began


def _turns(scratch: Path) -> list[tuple[str, str, str]]:
    from agent.events import TurnRequest
    from agent.runtime import open_tutor
    from agent.settings import Settings

    async def run() -> list[float]:
        with open_tutor(Settings(home=scratch / "cold")) as tutor:
            for question in QUESTIONS:
                await tutor.ask(TurnRequest(question=question))
            return [(await tutor.ask(TurnRequest(question=question))).ms for _ in range(5) for question in QUESTIONS]

    times = sorted(asyncio.run(run()))
    p95 = times[math.ceil(0.95 * len(times)) - 1]
    return [("warm offline turn, p50 / p95 ms", "-", f"{statistics.median(times):.0f} / {p95:.0f}")]


def _overhead(scratch: Path) -> list[tuple[str, str, str]]:
    """A turn with one tool call and an instant model, against create_agent with AsyncSqliteSaver at the same durability."""
    from eval.overhead import ours, theirs

    async def run() -> tuple[list[float], list[float]]:
        mine: list[float] = []
        peer: list[float] = []
        for number in range(ROUNDS):
            mine += (await ours(scratch / f"ours{number}", TURNS))[WARM_UP:]
            peer += (await theirs(scratch / f"theirs{number}", TURNS))[WARM_UP:]
        return mine, peer

    mine, peer = asyncio.run(run())
    a, b = statistics.median(mine) * 1e3, statistics.median(peer) * 1e3
    return [("agent overhead of a turn, ms (ratio)", f"{b:.1f} (1.0)", f"{a:.1f} ({a / b:.2f})")]


def _retrieval(scratch: Path, data: Path | None) -> list[tuple[str, str, str]]:
    if data is None:
        return [("retrieval on external sets", "left out", "left out: name a folder with --data")]
    rows = []
    for folder in sorted([data, *(path for path in data.rglob("*") if path.is_dir())]):
        try:
            found = load_external(folder)
        except CaseError:
            continue  # a folder that holds no set of a known form
        cases = [case for case in found.cases if case.inputs.query and case.outputs.documents]
        if not cases:
            continue
        step = 5 if len(cases) > 1000 else 1
        asked = [(str(case.inputs.query), set(case.outputs.documents)) for case in cases[::step]]
        ours, parts = _our_ranker(scratch / folder.name, found.documents)
        peer = Peer({d.name: d.text for d in found.documents}, scratch / f"peer-{folder.name}")
        for label, rank in (("ours", ours), *parts.items()):
            figures = _figures(asked, rank)
            shown = _figures(asked, peer.documents) if label == "ours" else None
            rows.append((f"{folder.name}, {label}: nDCG@10, hit@5 (n={len(asked)})",
                         f"{shown[0]:.3f}, {shown[1]:.3f}" if shown else "", f"{figures[0]:.3f}, {figures[1]:.3f}"))
    return rows


def _our_ranker(home: Path, documents: Sequence[Any]) -> tuple[Callable[[str], list[str]], dict[str, Callable[[str], list[str]]]]:
    from memory.ingest.pipeline import ingest_text
    from memory.open import open_memory

    memory = open_memory(home)
    for document in documents:
        ingest_text(memory.store, document.name, document.text)

    def names(ids: Sequence[str]) -> list[str]:
        found = memory.store.passages(list(ids))
        return list(dict.fromkeys(found[key].document for key in ids if key in found))

    def whole(query: str) -> list[str]:
        return list(dict.fromkeys(hit.passage.document for hit in memory.index.search(query, 30, "notes")))

    return whole, {"dense part": lambda q: names(memory.index.dense_only(q, 30, "notes")),
                   "lexical part": lambda q: names(memory.index.lexical_only(q, 30, "notes"))}


def _figures(asked: Sequence[tuple[str, set[str]]], rank: Callable[[str], list[str]]) -> tuple[float, float]:
    gain, hits = 0.0, 0
    for query, gold in asked:
        place = next((at for at, name in enumerate(rank(query)[:10]) if name in gold), None)
        gain += 0.0 if place is None else 1 / math.log2(place + 2)
        hits += place is not None and place < 5
    return gain / len(asked), hits / len(asked)


if __name__ == "__main__":
    sys.exit(main())
