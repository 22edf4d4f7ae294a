"""Predictions: what a learner expected before a tool ran."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, FiniteFloat

from api.held import OWNER_ONLY, TutorHere
from api.problems import Body

router = APIRouter(prefix="/predictions", tags=["predictions"])


class Predicted(Body):
    """`confidence` from 0 to 1; `error_factor` null when the two have different signs or one is 0."""

    learner: str = "local"
    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    name: str
    unit: str = ""
    value: FiniteFloat
    confidence: float | None = Field(None, ge=0, le=1)
    actual: FiniteFloat
    error_factor: FiniteFloat | None = None


@router.get("")
def list_predictions(tutor: TutorHere, learner: str = "local", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
    """A learner's predictions, newest first."""
    return {"predictions": tutor.predictions.listing(learner, limit)}


@router.post("", dependencies=[OWNER_ONLY], status_code=201)
def keep(made: Predicted, tutor: TutorHere) -> dict[str, Any]:
    """Keeps one."""
    told = made.model_dump()
    tutor.predictions.add(made.learner, made.tool, made.args, {key: told[key] for key in ("name", "unit", "value", "confidence", "actual",
                                                                                          "error_factor")})
    return {"kept": 1}
