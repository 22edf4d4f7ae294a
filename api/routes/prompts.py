"""Prompts: which there are, what they say, which version is active."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from api.held import OWNER_ONLY, TutorHere
from api.problems import Body
from api.views import prompt_view, prompts_view

router = APIRouter(prefix="/prompts", tags=["prompts"])


class Activation(Body):
    """With a label, the version gets the label instead of becoming the active one."""

    version: int = Field(ge=1, lt=10**9)
    label: str | None = None


@router.get("")
def list_prompts(tutor: TutorHere) -> dict[str, Any]:
    """Every prompt with its versions."""
    return prompts_view(tutor.parts.prompts)


@router.get("/{ref}")
def show_prompt(ref: str, tutor: TutorHere, label: str | None = None) -> dict[str, Any]:
    """`name` is the active version, `name@2` that one."""
    return prompt_view(tutor.parts.prompts.get(ref, label))


@router.post("/{name}/activate", dependencies=[OWNER_ONLY])
def activate_prompt(name: str, activation: Activation, tutor: TutorHere) -> dict[str, Any]:
    """From the next turn on this version is used; older ones stay."""
    store = tutor.parts.prompts
    store.activate(name, activation.version, activation.label)
    return prompt_view(store.get(f"{name}@{activation.version}"))
