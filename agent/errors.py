"""Errors that reach a learner: a text and a stable code. Everything else is for the operator, with a trace id.

    TurnError
    ├── BadQuestion        empty, too long, not text
    ├── UnknownModel       no such model
    ├── ModelUnavailable   the provider is down, refused, or answered nonsense twice; its package or key is missing
    ├── TurnTimeout        the deadline passed
    └── BudgetSpent        the turn's tokens ran out
"""

from __future__ import annotations


class TurnError(Exception):
    """`code` is stable; the text says what happened and what to do."""

    code = "turn_failed"


class BadQuestion(TurnError):
    code = "bad_question"


class UnknownModel(TurnError):
    code = "unknown_model"


class ModelUnavailable(TurnError):
    code = "model_unavailable"


class TurnTimeout(TurnError):
    code = "timeout"


class BudgetSpent(TurnError):
    code = "budget_spent"
