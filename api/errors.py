"""Every error that a client can cause or meet, with its HTTP status; knows types and codes, no web framework.

    ApiError
    ├── TurnFailed       a turn ended without an answer; its code and trace are the turn's
    ├── UnknownTool      no tool of this name
    ├── NotReady         the index doesn't answer, or recovery isn't done
    ├── ShuttingDown     the server stops; what was admitted goes on at its next start
    └── PortBusy         the address can't be listened on
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.errors import BadQuestion, BudgetSpent, ModelUnavailable, TurnError, TurnTimeout, UnknownModel
from agent.events import Failed
from memory.base import HomeBusy, IndexDamaged, MemoryFault, StorageFull, UnknownDocument, UnreadableDocument
from memory.reviews import ReviewClosed, UnknownReview
from memory.threads import IdReused, ThreadBusy, UnknownThread
from memory.traces import UnknownTrace
from prompts.errors import PromptChanged, PromptError, UnknownPrompt
from tools.base import ToolError


class ApiError(Exception):
    """An error of this package; `code` is stable, the text is for the client."""

    code = "internal"


class TurnFailed(ApiError):
    """How a turn ended that gave no answer."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.code, self.trace = failed.code, failed.trace


class UnknownTool(ApiError):
    code = "unknown_tool"


class NotReady(ApiError):
    code = "not_ready"


class ShuttingDown(ApiError):
    code = "shutting_down"


class PortBusy(ApiError):
    code = "port_busy"


# An error has the status of its nearest ancestor here, so that a new kind of error is never without one.
STATUS: Mapping[type[BaseException], int] = {
    TurnError: 500, BadQuestion: 400, UnknownModel: 404, ModelUnavailable: 503, TurnTimeout: 504, BudgetSpent: 429,
    MemoryFault: 500, UnreadableDocument: 422, IndexDamaged: 503, HomeBusy: 503, StorageFull: 507, UnknownDocument: 404,
    ThreadBusy: 409, IdReused: 409, UnknownThread: 404, UnknownReview: 404, ReviewClosed: 409, UnknownTrace: 404,
    ToolError: 422, UnknownTool: 404, PromptError: 400, PromptChanged: 409, UnknownPrompt: 404,
    ApiError: 500, NotReady: 503, ShuttingDown: 503, PortBusy: 503,
}
# Errors of packages that give no code themselves.
CODES: Mapping[type[BaseException], str] = {
    ToolError: "tool_error",
    PromptError: "bad_prompt", PromptChanged: "prompt_changed", UnknownPrompt: "unknown_prompt",
}
BY_CODE: Mapping[str, int] = {
    kind.__dict__["code"]: status for kind, status in STATUS.items() if "code" in kind.__dict__}
# Seconds after which it makes sense to come again, by code.
RETRY_AFTER_S: Mapping[str, int] = {"not_ready": 1, "shutting_down": 5}
LISTED_TYPES = (TurnError, MemoryFault, ToolError, PromptError, ApiError)


def status_of(error: BaseException) -> int:
    """The HTTP status: by the error's own code where one of the table's types has it, else by its type. 500 when no
    ancestor is listed."""
    known = BY_CODE.get(str(getattr(error, "code", "")))
    if known is not None:
        return known
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def code_of(error: BaseException) -> str:
    """The stable code: the error's own, or that of its nearest listed ancestor; "internal" when there is none."""
    own = getattr(error, "code", None)
    if isinstance(own, str) and re.fullmatch(r"[a-z_]+", own):
        return own
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), "internal")
