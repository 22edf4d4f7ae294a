"""`tutor eval`: runs suites in a throw-away home, checks them against the baseline, compares runs. Knows no terminal:
the command line hands in a voice to speak with and a way to open a tutor."""

from __future__ import annotations

import asyncio
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eval.cases import CaseError, Document, EvalCase, fast, load_cases, load_external, shipped_suites

if TYPE_CHECKING:
    from agent.tutor import Tutor
    from eval.gate import GateReport
    from eval.run import EvalRun

REGRESSED = 1


class UnknownSuite(CaseError):
    """No shipped suite of this name, and no file either."""

    code = "not_found"


class Voice(Protocol):
    """How the command speaks: one result, notes beside it, bars for what takes long."""

    def result(self, data: Any, show: Callable[[], None]) -> None: ...

    def text(self, text: str = "") -> None: ...

    def note(self, text: str) -> None: ...

    def progress(self) -> AbstractContextManager[Callable[[str, int, int], None] | None]: ...


class Opened(Protocol):
    @property
    def tutor(self) -> Tutor: ...


class Call(Protocol):
    """One call of the command: arguments, voice, and a tutor over any home."""

    @property
    def args(self) -> Namespace: ...

    @property
    def out(self) -> Voice: ...

    @property
    def home(self) -> Path: ...

    def backend(self, home: Path) -> AbstractContextManager[Opened]: ...


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run_parser = actions.add_parser("run", help="ask every case of a suite and score the answers")
    run_parser.add_argument("suite", metavar="SUITE|PATH", help="a shipped suite, a JSON Lines file, or a folder with a table of questions")
    run_parser.add_argument("--fast", action="store_true", help="only the cases that are marked as fast")
    run_parser.add_argument("--docs", type=Path, action="append", default=[], metavar="PATH", help="read these documents first")
    run_parser.add_argument("--seed", type=int, default=0, help="the seed of the run (default: 0)")
    run_parser.add_argument("--out", type=Path, metavar="FILE", help="where the log goes (default: a new file in the home's evals folder)")
    run_parser.add_argument("--baseline", action="store_true",
                            help="check against the suite's baseline, your home's or else the shipped one; "
                                 "exit 1 on a regression")
    run_parser.add_argument("--allow-changed", action="store_true",
                            help="with --baseline: pass although many cases were changed or added since")
    run_parser.add_argument("--store", action="store_true", help="make this run the suite's baseline in your home")
    run_parser.add_argument("--store-shipped", action="store_true",
                            help="make this run the baseline that the project ships: writes into a checkout's sources")
    run_parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    run_parser.add_argument("--model", metavar="NAME", help='the chat model (default: $TUTOR_MODEL, else "offline")')
    run_parser.add_argument("--base-url", type=_url, metavar="URL", help="where an OpenAI-compatible server listens")
    compare_parser = actions.add_parser("compare", help="two runs, metric by metric")
    for name in ("before", "after"):
        compare_parser.add_argument(name, metavar="LOG", help="a log of `eval run`, or a suite's name for its baseline")
    actions.add_parser("suites", help="the suites that are shipped")


def _url(text: str) -> str:
    from agent.settings import is_url

    if not is_url(text):
        raise ArgumentTypeError(f"{text!r} is no URL; give one such as http://127.0.0.1:8000/v1")
    return text


def run(call: Call) -> int:
    return {"run": _run, "compare": _compare, "suites": _suites}[call.args.action](call)


def _suites(call: Call) -> int:
    rows = [{"suite": name, "cases": len(cases), "fast": len(fast(cases))}
            for name, cases in ((name, load_cases(path)) for name, path in shipped_suites().items())]

    def show() -> None:
        for row in rows:
            call.out.text(f"{row['suite']}\t{row['cases']} cases\t{row['fast']} fast")

    call.out.result({"suites": rows}, show)
    return 0


def _compare(call: Call) -> int:
    from dataclasses import asdict

    from eval.compare import compare
    from eval.report import comparison_table

    found = compare(_read(call.args.before, call.home), _read(call.args.after, call.home))
    call.out.result(asdict(found), lambda: call.out.text(comparison_table(found)))
    return 0


def _run(call: Call) -> int:
    from eval.gate import gate, policy_for
    from eval.report import gate_table, run_table

    args = call.args
    suite, cases, documents = _loaded(args.suite)
    chosen = fast(cases) if args.fast else cases
    if not chosen:
        raise CaseError(f"{suite} has no fast cases; leave --fast out.")
    _check_options(args)
    # Whatever stands in the way of the verdict is told before minutes are spent on it.
    before = _baseline(call, suite, chosen) if args.baseline else None
    found = _measured(call, suite, chosen, documents)
    log = _logged(call, found)
    report = None
    if before is not None:
        policy = policy_for(before, found)
        if args.allow_changed:
            policy = replace(policy, uncompared=1.0)
        report = gate(before, found, policy, partial=args.fast)
    if args.junit is not None:
        _write_junit(args.junit, found, report)
    code = report.exit_code if report is not None else 0
    if args.store or args.store_shipped:
        _store(call, found, code == 0)

    def show() -> None:
        call.out.text(run_table(found))
        if report is not None:
            call.out.text("\n" + gate_table(report))

    call.out.result(_told(found, report, log), show)
    return REGRESSED if code else 0


def _loaded(name: str) -> tuple[str, list[EvalCase], Sequence[Document]]:
    """A suite's name, cases and documents. Raises UnknownSuite, CaseError."""
    shipped = shipped_suites()
    if name in shipped:
        return name, load_cases(shipped[name]), ()
    if not Path(name).exists():
        raise UnknownSuite(f"There is no suite {name!r} and no such file; shipped are {', '.join(shipped)}.")
    external = load_external(Path(name))
    return external.name, list(external.cases), external.documents


def _check_options(args: Namespace) -> None:
    """Raises CaseError for options that don't go together, BaselineError where nothing could be shipped."""
    from eval.baseline import shipped_folder

    if args.allow_changed and not args.baseline:
        raise CaseError("--allow-changed says what --baseline lets pass; give both.")
    if args.fast and (args.store or args.store_shipped):
        raise CaseError("A baseline needs the whole suite; leave --fast out.")
    if args.store_shipped:
        if args.suite not in shipped_suites() or args.docs or args.seed:
            raise CaseError("The project ships baselines of its own suites only, over the built-in course with seed 0; "
                            "--store keeps others.")
        shipped_folder()


def _baseline(call: Call, suite: str, cases: Sequence[EvalCase]) -> EvalRun:
    """The suite's baseline, which these cases can be compared with. Raises BaselineError, CompareError."""
    from eval.baseline import find_baseline, load_baseline, places
    from eval.compare import check_comparable

    path = find_baseline(suite, places(call.home))
    before = load_baseline(path)
    check_comparable(before, suite, {case.id: case.fingerprint for case in cases}, call.args.seed)
    call.out.note(f"The baseline is {path}, of {before.started[:10]}, model {before.model or 'none'}.")
    return before


def _measured(call: Call, suite: str, cases: Sequence[EvalCase], documents: Sequence[Document]) -> EvalRun:
    from eval.run import run_suite
    from eval.scorers import shipped_scorers
    from eval.subject import TutorSubject, add_documents, packaged_embedder
    from memory.ingest.pipeline import ingest

    with tempfile.TemporaryDirectory(prefix="tutor-eval-") as folder, call.backend(Path(folder)) as opened, call.out.progress() as bars:
        store = opened.tutor.parts.memory.store
        if call.args.docs:
            for failed in ingest(store, call.args.docs, progress=bars).failed:
                raise CaseError(failed["error"])
        add_documents(store, documents)
        subject = TutorSubject(opened.tutor, packaged_embedder)
        return asyncio.run(run_suite(
            cases, subject, shipped_scorers(subject.text_of), (lambda done, total, _: bars(suite, done, total)) if bars else None,
            suite=suite, seed=call.args.seed))


def _logged(call: Call, found: EvalRun) -> Path:
    """Writes the log before anything is made of it: a run takes minutes, and what comes next may fail."""
    from eval.logs import write_log

    name = f"{found.started[:19].replace(':', '-')}_{found.suite}_{found.run}.json"
    log = write_log(found, call.args.out or call.home / "evals" / name)
    call.out.note(f"The log is in {log}.")
    return log


def _write_junit(path: Path, found: EvalRun, report: GateReport | None) -> None:
    from eval.report import junit

    try:
        path.write_text(junit(found, report), encoding="utf-8")
    except OSError as error:
        raise CaseError(f"{path} can't be written ({error.strerror}); name another file.") from error


def _store(call: Call, found: EvalRun, passed: bool) -> None:
    from eval.baseline import find_baseline, places, ship_baseline, store_baseline

    if not passed:
        call.out.note("The baseline was left as it is, since the run didn't pass; to store the run nevertheless, leave "
                      "--baseline out.")
        return
    own, _ = places(call.home)
    if call.args.store:
        call.out.note(f"The baseline of {found.suite} is in your home now: {store_baseline(found, own)}.")
    if call.args.store_shipped:
        path = ship_baseline(found)
        call.out.note(f"Written into the project's sources: {path}. Commit it with a line in CHANGELOG.md.")
        if (first := find_baseline(found.suite, places(call.home))).parent == own:
            call.out.note(f"On this machine --baseline keeps looking at {first} first.")


def _told(found: EvalRun, report: GateReport | None, log: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from eval.stats import estimate

    metrics = {}
    for metric, direction in found.directions.items():
        if values := found.values(metric):
            about = estimate(values, counts=direction < 0)
            metrics[metric] = {"mean": about.mean, "low95": about.low, "high95": about.high, "n": about.n, "direction": direction}
    return {"suite": found.suite, "run": found.run, "seed": found.seed, "model": found.model, "cases": len(found.results),
            "failed": [{"id": each.id, "error": each.error} for each in found.failures], "metrics": metrics,
            "gate": None if report is None else {**asdict(report), "passed": report.exit_code == 0}, "log": str(log)}


def _read(name: str, home: Path) -> EvalRun:
    from eval.baseline import find_baseline, load_baseline, places
    from eval.logs import read_log

    if name in shipped_suites():
        return load_baseline(find_baseline(name, places(home)))
    if not Path(name).is_file():
        raise UnknownSuite(f"There is no log {name}; `tutor eval run` writes them.")
    return read_log(Path(name))
