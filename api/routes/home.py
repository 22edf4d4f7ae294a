"""The home: is everything that is kept sound?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.held import TutorHere
from api.views import home_view

router = APIRouter(prefix="/home", tags=["home"])


@router.get("")
def check_home(tutor: TutorHere) -> dict[str, Any]:
    """Reads the whole home, and tells what is wrong and how much there is; it takes a while where much is kept."""
    return home_view(tutor)
