"""`tutor documents`: what was read."""

from __future__ import annotations

from argparse import ArgumentParser

from api.cli.call import Call
from api.cli.output import Output


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--remove", metavar="ID", help="forget a document, by id or path")


def run(call: Call) -> int:
    with call.backend() as backend:
        if call.args.remove is not None:
            gone = backend.remove(call.args.remove)
            call.out.result(gone, lambda: call.out.text(f"Forgot {gone['removed']['path']}."))
            return 0
        found = backend.documents()
    call.out.result(found, lambda: _show(call.out, found["documents"]))
    return 0


def _show(out: Output, documents: list[dict[str, object]]) -> None:
    if not documents:
        out.note("No documents yet: `tutor ingest FOLDER` reads your notes.")
        return
    out.table(("id", "path", "title", "passages", "read"), [[d["id"], d["path"], d["title"], d["chunks"], d["when"]] for d in documents])
