"""`tutor doctor`: is this home sound, and what is it made of? With --rebuild, mends what can be mended."""

from __future__ import annotations

import hashlib
import platform
import sqlite3
from argparse import ArgumentParser
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from api.cli.call import Call
from api.cli.failures import DONE, INTERNAL, CliError
from api.cli.output import Output

PACKAGES = {"tutor": "ml-platform-tutor", "chromadb": "chromadb", "langgraph": "langgraph", "langchain": "langchain",
            "onnxruntime": "onnxruntime"}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--rebuild", action="store_true",
                        help="make all that is derived anew; of a damaged database, what can be read is kept")


def run(call: Call) -> int:
    from memory.base import IndexDamaged

    did = _rebuild(call) if call.args.rebuild else []
    told: dict[str, Any] = {"home": str(call.home), "versions": versions(), "model": model_file(), "did": did}
    try:
        with call.backend() as backend:
            told |= {"server": backend.server} if backend.server else {}
            told |= backend.check()
    except IndexDamaged as error:
        told["problems"] = [str(error)]
    except CliError as error:
        if "server" not in told:
            raise
        told["problems"] = [f"The home wasn't checked: {error}"]
    told["prompts"] = prompt_problems(call)
    told["warnings"] = [*told.get("warnings", []), *_seen_by_others(call)]
    told["sound"] = not told["problems"] and not told["prompts"]
    call.out.result(told, lambda: _show(call.out, told))
    return DONE if told["sound"] else INTERNAL


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name, package in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def model_file() -> dict[str, str | None]:
    """{"path","sha256"} of the embedding model; the sum is null while there is none."""
    from memory.export import model_folder
    from memory.minilm import MODEL_FILE

    path = model_folder() / MODEL_FILE
    if not path.is_file():
        return {"path": str(path), "sha256": None}
    with path.open("rb") as file:
        return {"path": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def prompt_problems(call: Call) -> list[str]:
    from prompts.store import PromptStore

    return PromptStore(overrides=call.home / "prompts.toml").verify()


def _seen_by_others(call: Call) -> list[str]:
    from memory.home import open_to_others

    if not call.home.is_dir() or not open_to_others(call.home):
        return []
    return [f"other accounts of this machine can look into {call.home}, which holds your questions; `chmod -R go= {call.home}` "
            "keeps them out."]


def _rebuild(call: Call) -> list[str]:
    from api.backend import prepare_model
    from api.cli.mend import rebuild
    from memory.open import open_memory

    prepare_model()
    wait_s = call.settings.wait_s
    with call.out.progress() as progress:
        return rebuild(call.home, lambda: open_memory(call.home, wait_s=wait_s, progress=progress), wait_s, progress)


def _show(out: Output, told: dict[str, Any]) -> None:
    for line in told["did"]:
        out.text(line)
    rows = [("home", told["home"]), *((name, number) for name, number in told["versions"].items()),
            ("embedding model", f"{told['model']['path']} ({(told['model']['sha256'] or 'missing')[:16]})")]
    rows += [(name.replace("_", " "), told[name]) for name in
             ("server", "documents", "chunks", "errata", "unfinished_turns", "pending_reviews") if name in told]
    out.table(("what", "found"), rows)
    for line in told["warnings"]:
        out.note(f"Careful: {line}")
    for line in [*told["problems"], *told["prompts"]]:
        out.note(f"Problem: {line}")
    out.text("Sound." if told["sound"] else "Not sound." + _way_out(told))


def _way_out(told: dict[str, Any]) -> str:
    """What mends the home, where something does: each problem of the prompts names its own way out."""
    if not told["problems"] or told["did"]:
        return ""
    if told.get("server"):
        return f" Stop the server at {told['server']}, then run `tutor doctor --rebuild`."
    return " `tutor doctor --rebuild` mends the home."
