"""`tutor trace`: what happened inside a turn, span by span."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from api.cli.answers import arguments
from api.cli.call import Call
from api.cli.output import Output, shortened

SHOWN = ("gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "error.type", "tutor.status",
         "tutor.grounding.confidence", "tutor.evidence.passages")


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the last turns").add_argument("-n", type=int, default=20, metavar="N", help="how many (default: 20)")
    actions.add_parser("show", help="one turn").add_argument("id", metavar="ID", help="a trace's id, or the beginning of it")


def run(call: Call) -> int:
    out = call.out
    with call.backend() as backend:
        if call.args.action == "list":
            found = backend.traces(call.args.n)
            out.result(found, lambda: _show_all(out, found["traces"]))
        else:
            trace = backend.trace(call.args.id)
            out.result(trace, lambda: _show(out, trace))
    return 0


def _show_all(out: Output, traces: list[dict[str, Any]]) -> None:
    if not traces:
        out.note("No turns yet.")
        return
    out.table(("trace", "when", "ms", "spans", "what"),
              [[each["trace"], f"{datetime.fromtimestamp(each['start_ns'] / 1e9):%Y-%m-%d %H:%M:%S}", f"{each['ms']:.0f}",
                each["spans"], each["name"]] for each in traces])


def _show(out: Output, trace: dict[str, Any]) -> None:
    out.rule(f"{trace['trace']}: {trace['ms']:.0f} ms")
    known = {span["span"] for span in trace["spans"]}
    for root in (span for span in trace["spans"] if span["parent"] not in known):
        _show_below(out, root, trace["spans"], 0)


def _show_below(out: Output, span: dict[str, Any], spans: list[dict[str, Any]], depth: int) -> None:
    told = {name.rsplit(".", 1)[-1]: value for name, value in span["attributes"].items() if name in SHOWN}
    out.text(f"{span['at_ms']:8.0f} ms {'  ' * depth}{span['name']} ({span['ms']:.0f} ms) {shortened(arguments(told), 120)}".rstrip())
    for child in (each for each in spans if each["parent"] == span["span"]):
        _show_below(out, child, spans, depth + 1)
