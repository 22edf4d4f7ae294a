"""`tutor search`: passages that match a query."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from api.cli.batch import Row, field, run_batch
from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output, whole

if TYPE_CHECKING:
    from api.backend import Backend


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", metavar="QUERY", help="what to look for")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many passages (default: 10)")
    parser.add_argument("--batch", metavar="FILE", help='rows {"id","query","k"?}; - is stdin')


def run(call: Call) -> int:
    args = call.args
    if (args.query is None) == (args.batch is None):
        raise CliError("usage", "search takes either a QUERY or --batch FILE (`tutor search --help` shows the usage)")
    with call.backend() as backend:
        if args.batch is not None:
            return asyncio.run(_batch(call, backend))
        found = backend.search(whole(args.query), args.k)
    call.out.result(found, lambda: _show(call.out, found["hits"]))
    return 0


async def _batch(call: Call, backend: Backend) -> int:
    async def answer(row: Row) -> Row:
        return backend.search(field(row, "query"), field(row, "k", int, call.args.k))

    return await run_batch(call.args.batch, call.out, answer)


def _show(out: Output, hits: list[dict[str, Any]]) -> None:
    if not hits:
        out.note("Nothing was found.")
    for number, hit in enumerate(hits, 1):
        place = " › ".join([hit["document"], *hit["heading"]])
        out.rule(f"{number}. {place} ({hit['score']:.2f})")
        out.markdown(hit["text"])
        out.text()
