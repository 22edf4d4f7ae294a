"""Errors as problem details (RFC 9457): the one form that every refusal of our own routes has. Knows no route."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.errors import LISTED_TYPES, RETRY_AFTER_S, code_of, status_of

log = logging.getLogger("tutor.http")

HTTP_CODES = {401: "unauthorized", 404: "not_found", 405: "bad_method", 413: "too_large"}
MAX_SHOWN = 5


class Body(BaseModel):
    """What a client sends: a field that isn't there is refused, since one that is misspelt would be left out in silence."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """`type` names the kind of problem, `code` is its stable short name, `trace` finds it in the log and, for a turn,
    in `GET /v1/tutor/traces/{trace}`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace: str


def install_problems(app: FastAPI) -> None:
    """From here on the app answers every error in this form."""
    for kind in LISTED_TYPES:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _defect)


def problem(status: int, code: str, detail: str, trace: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response. `detail` is one sentence for whoever sent the request."""
    wait = {"Retry-After": str(RETRY_AFTER_S[code])} if code in RETRY_AFTER_S else {}
    told = Problem(type=f"urn:problem-type:tutor:{code}", title=HTTPStatus(status).phrase, status=status, detail=detail,
                   code=code, trace=trace)
    return JSONResponse(told.model_dump(), status, {**wait, **(headers or {})}, "application/problem+json")


def trace_of(request: Request) -> str:
    """The trace id that the guard gave this request."""
    return str(getattr(request.state, "trace", ""))


async def _known(request: Request, error: Exception) -> JSONResponse:
    trace = str(getattr(error, "trace", "") or trace_of(request))
    return problem(status_of(error), code_of(error), str(error), trace)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = HTTP_CODES.get(error.status_code, "bad_input")
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:
        detail = f"Nothing answers to {request.method} {request.url.path}; /openapi.json lists what does."
    return problem(error.status_code, code, detail, trace_of(request), error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    sentences = [_sentence(each) for each in found[:MAX_SHOWN]]
    more = f" And {len(found) - MAX_SHOWN} more." if len(found) > MAX_SHOWN else ""
    return problem(422, "bad_input", " ".join(sentences) + more, trace_of(request))


async def _defect(request: Request, error: Exception) -> JSONResponse:
    """A defect of ours: the client gets the trace id, the operator the traceback (which the server logs after this)."""
    trace = trace_of(request)
    log.error("%s %s broke with %s, trace %s", request.method, request.url.path, type(error).__name__, trace)
    detail = f"Something went wrong inside; the operator finds it in the log under trace {trace}."
    return problem(500, "internal", detail, trace)


def _sentence(found: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in found["loc"] if part != "body") or "The body"
    if found["type"] == "json_invalid":
        why = found.get("ctx", {}).get("error", "syntax error")
        return f"The body isn't valid JSON ({why} at character {found['loc'][-1]})."
    if found["type"] in ("model_attributes_type", "dict_type"):
        return "The body must be a JSON object, sent as application/json."
    if found["type"] == "extra_forbidden":
        return f"There is no field {where!r} here; leave it out, or look in /openapi.json how it is called."
    return f"{where}: {str(found['msg']).removeprefix('Value error, ')}."
