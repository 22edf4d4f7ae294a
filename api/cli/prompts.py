"""`tutor prompts`: the versions of each prompt, and which is active here. Reads files; needs no running home."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from typing import TYPE_CHECKING, Any

from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output
from api.cli.run import given_arguments

if TYPE_CHECKING:
    from prompts.store import PromptStore


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="names, versions, which is active")
    actions.add_parser("show", help="one version").add_argument("ref", metavar="NAME[@VERSION]")
    diff = actions.add_parser("diff", help="what differs between two versions")
    diff.add_argument("old", metavar="NAME@VERSION")
    diff.add_argument("new", metavar="NAME@VERSION")
    render = actions.add_parser("render", help="a prompt with its inputs filled in")
    render.add_argument("ref", metavar="NAME[@VERSION]")
    render.add_argument("--set", action="append", default=[], metavar="k=v", help="an input; the value is JSON, or text when it isn't")
    render.add_argument("--args", metavar="JSON", dest="arguments", help="all inputs as a JSON object")
    activate = actions.add_parser("activate", help="use a version in this home from now on")
    activate.add_argument("ref", metavar="NAME@VERSION")
    # Taken so that whoever writes them apart can be told how it's done; the usage doesn't name it.
    activate.add_argument("apart", nargs="?", help=SUPPRESS)
    activate.add_argument("--label", help="give it this label instead of making it the active one")


def run(call: Call) -> int:
    from prompts.store import PromptStore

    store = PromptStore(overrides=call.home / "prompts.toml")
    ACTIONS[call.args.action](call, store)
    return 0


def _list(call: Call, store: PromptStore) -> None:
    from api.views import prompts_view

    found = prompts_view(store)
    call.out.result(found, lambda: call.out.table(("prompt", "active", "versions", "labels"), [
        [each["name"], each["active"], ", ".join(map(str, each["versions"])),
         ", ".join(f"{label}={version}" for label, version in each["labels"].items())] for each in found["prompts"]]))


def _show(call: Call, store: PromptStore) -> None:
    from api.views import prompt_view

    found = prompt_view(store.get(call.args.ref))
    call.out.result(found, lambda: _show_one(call.out, found))


def _diff(call: Call, store: PromptStore) -> None:
    old, new = call.args.old, call.args.new
    told = store.diff(old, new)
    call.out.result({"old": old, "new": new, "diff": told}, lambda: call.out.text(told) if told else call.out.note("They are equal."))


def _render(call: Call, store: PromptStore) -> None:
    rendered = store.render(call.args.ref, **given_arguments(call.args.arguments, call.args.set))
    call.out.result({"prompt": rendered.prompt.id, "text": rendered.text}, lambda: call.out.text(rendered.text))


def _activate(call: Call, store: PromptStore) -> None:
    name, _, number = call.args.ref.partition("@")
    if call.args.apart is not None:
        raise CliError("usage", f"Name and version are one word: `tutor prompts activate {name}@{call.args.apart}`.")
    if not number.isdecimal():
        raise CliError("bad_input", f"{call.args.ref!r} names no version; write it as name@version, for example "
                                    f"`tutor prompts activate {name}@1`.")
    from memory.home import make_home

    try:
        make_home(call.home)
    except OSError as error:
        raise CliError("storage_full", f"Can't use {call.home} ({error.strerror}). Name a folder that can be written with "
                                       "--home.") from error
    store.activate(name, int(number), call.args.label)
    told = {"name": name, "version": int(number), "label": call.args.label}
    call.out.result(told, lambda: call.out.text(f"{call.args.ref} is {call.args.label or 'active'} now."))


def _show_one(out: Output, prompt: dict[str, Any]) -> None:
    out.rule(prompt["id"])
    out.text(prompt["description"])
    out.dim(f"sha256 {prompt['hash']}")
    for name, kind in prompt["inputs"].items():
        out.dim(f"input {name}: {kind}")
    out.text()
    out.text(prompt["template"])


ACTIONS = {"list": _list, "show": _show, "diff": _diff, "render": _render, "activate": _activate}
