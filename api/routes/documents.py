"""Documents: what the learner has given to read, more of it, less of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from api.held import OWNER_ONLY, HeldHere, TutorHere
from api.problems import Body
from api.views import document_view, documents_view, ingest_view
from memory.base import UnreadableDocument
from memory.ingest.pipeline import ingest

router = APIRouter(prefix="/documents", tags=["documents"])


class Ingestion(Body):
    """`paths` are files and folders as the server sees them; relative ones start at its working directory."""

    paths: list[str] = Field(min_length=1, max_length=1000)
    prune: bool = False


@router.get("")
def list_documents(tutor: TutorHere, source: Literal["notes", "course", "all"] = "notes") -> dict[str, Any]:
    """The learner's documents, or the built-in course's, or both."""
    return documents_view(tutor, None if source == "all" else source)


@router.post("", dependencies=[OWNER_ONLY])
def ingest_documents(ingestion: Ingestion, held: HeldHere) -> dict[str, Any]:
    """Reads files and folders, by paths as the server sees them: a relative one starts at the server's working directory, so name whole
    ones. Those that can't be read are told in `failed`; when nothing could be read, that is a problem (422)."""
    paths = [Path(path) for path in ingestion.paths]
    with held.writing:
        report = ingest(held.tutor.parts.memory.store, paths, ingestion.prune)
    if report.failed and not (report.added + report.updated + report.unchanged + report.removed):
        more = f" And {len(report.failed) - 1} more couldn't be read." if len(report.failed) > 1 else ""
        raise UnreadableDocument(report.failed[0]["error"] + more)
    return ingest_view(report)


# A document may be named by its path too, which has slashes.
@router.delete("/{document:path}", dependencies=[OWNER_ONLY])
def remove_document(document: str, held: HeldHere) -> dict[str, Any]:
    """Forgets a document, by id or path; its file stays."""
    with held.writing:
        return {"removed": document_view(held.tutor.parts.memory.store.remove(document))}
