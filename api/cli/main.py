"""The entry of the command line: which commands there are. Each one's module loads when the command is used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from api.cli.call import Call, Opener
from api.cli.failures import Boundary, CliError
from api.cli.output import Output, speak_utf8

# Name to (module, what it does). By name, since evaluation is a package of its own that this one doesn't import.
COMMANDS: dict[str, tuple[str, str]] = {
    "ingest": ("api.cli.ingest", "read files and folders into your notes"),
    "documents": ("api.cli.documents", "list what was read, or forget a document"),
    "search": ("api.cli.search", "find passages in your notes"),
    "ask": ("api.cli.ask", "ask one question, or many with --batch"),
    "chat": ("api.cli.chat", "talk with the tutor"),
    "threads": ("api.cli.threads", "earlier conversations: list, show"),
    "tools": ("api.cli.tools", "list calculators and simulators, or show one"),
    "run": ("api.cli.run", "run a calculator or simulator"),
    "review": ("api.cli.review", "drafts that wait for a person"),
    "prompts": ("api.cli.prompts", "versioned prompts: show, compare, activate"),
    "trace": ("api.cli.trace", "what happened inside a turn"),
    "eval": ("eval.command", "run evaluation suites and compare runs"),
    "doctor": ("api.cli.doctor", "check the home, and mend it with --rebuild"),
    "serve": ("api.cli.serve", "serve over HTTP"),
}


def main(argv: Sequence[str] | None = None, open_backend: Opener | None = None) -> int:
    """Runs one command and gives its exit code. `open_backend` takes the place of the home's own backend."""
    words = list(sys.argv[1:] if argv is None else argv)
    speak_utf8()
    as_json = "--json" in words
    with Boundary(as_json) as boundary:
        args = make_parser(as_json).parse_args(words)
        boundary.exit = args.run(Call(args, Output(as_json), open_backend))
    return boundary.exit


def make_parser(as_json: bool = False) -> argparse.ArgumentParser:
    parser = _Parser(prog="tutor", description="A tutor for ML-platform system design that answers from your own notes, "
                                               "with citations that hold.",
                     epilog="`tutor COMMAND --help` tells more. Exit codes: 0 done, 1 internal error, 2 usage, 3 bad input, "
                            "4 not found, 5 busy or unavailable.")
    parser.add_argument("--version", action=_Version, out=Output(as_json), help="say which version this is")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_CommandParser)
    for name, (module, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".", module=module)
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for: that takes longer than the rest of --help."""

    def __init__(self, out: Output, **options: Any) -> None:
        super().__init__(**options, nargs=0)
        self._out = out

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from api.cli.doctor import versions

        number = versions()["tutor"]
        self._out.result({"version": number}, lambda: self._out.text(f"tutor {number}"))
        parser.exit()


class _Wide(argparse.HelpFormatter):
    """Leaves room for the longest command's name beside what it does."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 15


class _Parser(argparse.ArgumentParser):
    """A parser that raises what is wrong with the usage, and knows the options that every command takes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, formatter_class=_Wide)
        # Suppressed defaults: an option may stand before or after the command, and the one that is absent says nothing.
        self.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS,
                          help="the folder of everything kept (default: $TUTOR_HOME, else ~/.tutor)")
        self.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout, nothing else")

    def error(self, message: str) -> NoReturn:
        raise CliError("usage", f"{message} (`{self.prog} --help` shows the usage)")


class _CommandParser(_Parser):
    """A command's parser, which its module fills when the command is used."""

    def __init__(self, *, module: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._module is not None:
            module, self._module = import_module(self._module), None
            module.configure(self)
            self.set_defaults(run=module.run)
        return super().parse_known_args(args, namespace)


if __name__ == "__main__":
    sys.exit(main())
