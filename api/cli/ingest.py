"""`tutor ingest`: files and folders into the learner's notes."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from api.cli.call import Call
from api.cli.failures import BAD_INPUT, DONE
from api.cli.output import Output, counted


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file (Markdown, text, HTML, PDF, Word) or a folder")
    parser.add_argument("--prune", action="store_true", help="forget documents whose files are gone from these folders")


def run(call: Call) -> int:
    with call.backend() as backend, call.out.progress() as progress:
        report = backend.ingest(call.args.paths, call.args.prune, progress)
    call.out.result(report, lambda: _show(call.out, report))
    # Some of many may be unreadable; it is an error when nothing of what was named could be read.
    read = report["added"] + report["updated"] + report["unchanged"]
    return BAD_INPUT if report["failed"] and not read else DONE


def _show(out: Output, report: dict[str, Any]) -> None:
    counts = ", ".join(f"{report[name]:,} {name}" for name in ("added", "updated", "unchanged", "removed") if report[name]) or "nothing new"
    known = f"{counted(report['documents'], 'document')} with {counted(report['chunks'], 'passage')}"
    out.text(f"{counts}; {known} now ({report['seconds']:.1f} s).")
    for each in report["failed"]:
        out.note(f"error: {each['error']}")
