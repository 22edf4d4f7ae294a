"""What becomes of an error on the command line: one line, a stable code and an exit code. Knows no command.

    0 done · 1 internal error · 2 usage · 3 bad input · 4 not found · 5 busy or unavailable
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from agent.settings import debugging
from api.cli.output import clean, to_json

DONE, INTERNAL, USAGE, BAD_INPUT, NOT_FOUND, UNAVAILABLE = range(6)
INTERRUPTED = 130

# By the stable code that errors carry, whichever process they come from.
EXITS: Mapping[str, int] = {
    "usage": USAGE,
    "bad_input": BAD_INPUT, "bad_question": BAD_INPUT, "bad_row": BAD_INPUT, "bad_prompt": BAD_INPUT, "bad_case": BAD_INPUT,
    "tool_error": BAD_INPUT, "prompt_changed": BAD_INPUT, "unreadable_document": BAD_INPUT, "review_closed": BAD_INPUT,
    "id_reused": BAD_INPUT,
    "not_found": NOT_FOUND, "unknown_model": NOT_FOUND, "unknown_document": NOT_FOUND, "unknown_thread": NOT_FOUND,
    "unknown_review": NOT_FOUND, "unknown_trace": NOT_FOUND, "unknown_prompt": NOT_FOUND, "unknown_tool": NOT_FOUND,
    "thread_busy": UNAVAILABLE, "home_busy": UNAVAILABLE, "port_busy": UNAVAILABLE, "storage_full": UNAVAILABLE,
    "model_missing": UNAVAILABLE, "model_unavailable": UNAVAILABLE, "timeout": UNAVAILABLE, "budget_spent": UNAVAILABLE,
    "server_gone": UNAVAILABLE, "shutting_down": UNAVAILABLE, "not_ready": UNAVAILABLE, "index_damaged": UNAVAILABLE,
    "turn_failed": INTERNAL, "internal": INTERNAL,
}

# Errors of lower packages that carry no code, by class name: importing the classes would make `--help` slow.
CODES: Mapping[str, str] = {
    "UnknownPrompt": "unknown_prompt", "PromptChanged": "prompt_changed", "PromptError": "bad_prompt", "ToolError": "tool_error",
    "ModelMissing": "model_missing", "CaseError": "bad_case", "CompareError": "bad_input",
    "FileNotFoundError": "not_found", "PermissionError": "bad_input", "IsADirectoryError": "bad_input",
    "NotADirectoryError": "bad_input",
}


class CliError(Exception):
    """An error that a command found itself, or one that another process reported; `code` is a key of EXITS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Failure:
    """What a reader is told: a stable code, one line, and what the process ends with."""

    code: str
    message: str
    exit: int

    def as_json(self) -> dict[str, dict[str, str]]:
        return {"error": {"code": self.code, "message": self.message}}


def failure_of(error: BaseException) -> Failure:
    """The failure that an error is, told by its own code or by its class."""
    code = getattr(error, "code", None)
    if not isinstance(code, str):
        code = next((CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in CODES), None)
    message = " ".join(str(error).split())
    if code is None:
        told = f"{type(error).__name__}: {message}" if message else type(error).__name__
        return Failure("internal", f"Something went wrong inside ({told}). TUTOR_DEBUG=1 shows where.", INTERNAL)
    if isinstance(error, OSError) and error.filename:
        message = f"{error.filename}: {error.strerror}."
    return Failure(code, message or code, EXITS.get(code, INTERNAL))


class Boundary:
    """Around a whole command: nothing leaves it but an exit code. A context manager, so that no clause catches all."""

    def __init__(self, as_json: bool) -> None:
        self.exit = DONE
        self._as_json = as_json

    def __enter__(self) -> Boundary:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> bool:
        if error is None:
            self._flush()
        elif isinstance(error, SystemExit):
            self.exit = error.code if isinstance(error.code, int) else DONE
            self._flush()
        elif isinstance(error, KeyboardInterrupt):
            self.exit = INTERRUPTED
        elif isinstance(error, BrokenPipeError):
            _let_go()
        else:
            self._told(error)
        return True

    def _told(self, error: BaseException) -> None:
        failure = failure_of(error)
        self.exit = failure.exit
        if debugging():
            traceback.print_exception(error, file=sys.stderr)
        try:
            if self._as_json:
                print(to_json(failure.as_json()), flush=True)
            else:
                print(f"error: {clean(failure.message)}", file=sys.stderr, flush=True)
        except BrokenPipeError:
            _let_go()

    @staticmethod
    def _flush() -> None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _let_go()


def _let_go() -> None:
    """Whoever read the output has seen enough; what the interpreter still flushes at its end goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
