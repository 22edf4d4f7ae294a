"""`tutor serve`: the HTTP server over a home."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from api.cli.ask import model_options
from api.cli.call import Call


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", type=_port, default=8377, help="the port; 0 takes a free one (default: 8377)")
    model_options(parser)


def run(call: Call) -> int:
    from api.backend import prepare_model
    from api.serve import serve

    prepare_model()
    serve(call.settings, call.args.host, call.args.port)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")
    return int(text)
