"""`tutor review`: drafts that wait for a person, and what the person decides."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from api.cli.answers import show_answer
from api.cli.call import Call
from api.cli.failures import CliError
from api.cli.output import Output, shortened, whole

STATUSES = ("pending", "deciding", "done", "all")


def configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what waits")
    listing.add_argument("--status", choices=STATUSES, default="pending")
    actions.add_parser("show", help="question and draft, with its sources and corrections").add_argument("id", metavar="ID")
    for name, help_text in (("approve", "send the draft as it is"), ("edit", "send another text"), ("reject", "hold the draft back")):
        action = actions.add_parser(name, help=help_text)
        action.add_argument("id", metavar="ID")
        action.add_argument("--by", default="reviewer", metavar="NAME", help="who decides (default: reviewer)")
        if name != "approve":
            text = action.add_mutually_exclusive_group(required=name == "edit")
            text.add_argument("--text", help="what the learner reads instead")
            text.add_argument("--file", metavar="FILE", help="the same, out of a file; - is stdin")


def run(call: Call) -> int:
    args, out = call.args, call.out
    text = _text(args)
    with call.backend() as backend:
        if args.action == "list":
            found = backend.reviews(None if args.status == "all" else args.status)
            out.result(found, lambda: show_reviews(out, found["reviews"]))
        elif args.action == "show":
            review = backend.review(args.id)
            out.result(review, lambda: show_review(out, review))
        else:
            answer = asyncio.run(backend.decide(args.id, args.action, text, args.by))
            out.result(answer, lambda: show_sent(out, answer))
    return 0


def _text(args: Any) -> str | None:
    text, file = getattr(args, "text", None), getattr(args, "file", None)
    if file == "-":
        text = sys.stdin.read()
    elif file is not None:
        try:
            text = Path(file).read_text("utf-8")
        except FileNotFoundError:
            raise CliError("not_found", f"There is no file {file}.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise CliError("bad_input", f"{file} can't be read as UTF-8 text ({error}).") from None
    if args.action == "edit" and not (text or "").strip():
        raise CliError("bad_input", "The new text is empty. To hold the draft back, use `tutor review reject`.")
    return None if text is None else whole(text)


def show_reviews(out: Output, reviews: list[dict[str, Any]]) -> None:
    if not reviews:
        out.note("Nothing waits.")
        return
    out.table(("id", "status", "since", "why", "question"),
              [[each["id"], each["status"], f"{datetime.fromtimestamp(each['created']):%Y-%m-%d %H:%M}", each["reason"],
                shortened(each["question"], 80)] for each in reviews])


def show_review(out: Output, review: dict[str, Any], how: str | None = None) -> None:
    """A draft as the learner would read it; `how` says how it is decided."""
    from agent.events import Answer

    out.rule(f"{review['id']} ({review['status']}): {review['reason']}")
    out.text(f"Question: {review['question']}\n")
    if review.get("answer") is not None:
        # With the corrections and all sources: what the learner gets, not the bare draft.
        show_answer(out, Answer.model_validate(review["answer"]))
    else:
        out.markdown(review["draft"])
    if review["status"] == "pending":
        out.note("\nThis is what the learner reads when it is approved; an edit replaces the whole text.\n"
                 + (how or f"tutor review approve|edit|reject {review['id']}"))
    elif review["decision"]:
        out.note(f"\n{review['decision']['by']}: {review['decision']['type']}")


def show_sent(out: Output, answer: dict[str, Any]) -> None:
    from agent.events import Answer

    out.note("The learner reads:")
    show_answer(out, Answer.model_validate(answer))
