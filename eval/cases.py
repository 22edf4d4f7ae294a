"""What an evaluation case is and where cases come from; knows nothing of who answers them or how they are scored."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.events import Mode, Status

DATA = Path(__file__).parent / "data"

Kind = Literal["question", "turns", "query", "tool"]
FactGroups = list[list[str]]
"""Each inner list holds alternatives of one fact; the fact is covered when any of them occurs."""

_FORBID = ConfigDict(frozen=True, extra="forbid")


class CaseError(Exception):
    """A file of cases that can't be read; the text names the file, the line and what is wrong with it."""


class Document(BaseModel):
    """A text that is ingested for one case or one set only."""

    model_config = _FORBID
    name: str = Field(min_length=1)
    text: str


class Inputs(BaseModel):
    """What the subject is given: exactly one of `question`, `turns`, `query` or `tool`; `documents` come on top."""

    model_config = _FORBID
    question: str | None = None
    turns: list[str] | None = Field(default=None, min_length=1)
    query: str | None = None
    tool: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    documents: list[Document] = Field(default_factory=list)
    mode: Mode = "direct"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("question", "turns", "query", "tool") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"inputs need exactly one of question, turns, query or tool, not {given or 'none'}")
        return self


class TurnOutputs(BaseModel):
    """What is expected of one turn of a dialogue: stated facts, forbidden strings, how the turn may end."""

    model_config = _FORBID
    facts: FactGroups = Field(default_factory=list)
    must_not: list[str] = Field(default_factory=list)
    status: list[Status] = Field(default_factory=list)


class Outputs(TurnOutputs):
    """What is expected. `quotes` must each lie inside a hit; `documents` are alternatives; `corrections` are ids of
    known errors (an empty list says that none may be raised); `rel` is the relative tolerance of `value`; facts and
    forbidden strings are looked for in all turns together, the status is the last turn's."""

    documents: list[str] = Field(default_factory=list)
    quotes: list[str] = Field(default_factory=list)
    corrections: list[str] | None = None
    value: float | None = None
    rel: float = Field(default=0.01, ge=0, le=1)
    turns: list[TurnOutputs] = Field(default_factory=list)


class EvalCase(BaseModel):
    """One line of a JSON Lines set: `{"id", "inputs", "outputs", "metadata"}`."""

    model_config = _FORBID
    id: str = Field(min_length=1)
    inputs: Inputs
    outputs: Outputs = Field(default_factory=Outputs)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_many_turns(self) -> Self:
        expected, asked = len(self.outputs.turns), len(self.inputs.turns or [])
        if expected and expected != asked:
            raise ValueError(f"outputs expect {expected} turns but inputs have {asked}")
        return self

    @property
    def kind(self) -> Kind:
        if self.inputs.question is not None:
            return "question"
        if self.inputs.turns is not None:
            return "turns"
        return "query" if self.inputs.query is not None else "tool"

    @property
    def asked(self) -> list[str]:
        """Everything that is said to the subject, in order; a tool's name for a tool case."""
        one = self.inputs.question if self.inputs.question is not None else self.inputs.query
        return list(self.inputs.turns or [one if one is not None else str(self.inputs.tool)])

    @property
    def fingerprint(self) -> str:
        """Changes when inputs or outputs do, so that results of different cases under one id aren't paired."""
        text = self.model_dump_json(include={"inputs", "outputs"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ExternalSet:
    """Cases of others with the documents that have to be ingested before they are asked."""

    name: str
    cases: tuple[EvalCase, ...]
    documents: tuple[Document, ...] = ()


def load_cases(path: Path) -> list[EvalCase]:
    """The cases of a JSON Lines file, in order; blank lines don't count. Raises CaseError with the line number."""
    return _checked(path, ((number, row) for number, row in _rows(path)))


def shipped_suites() -> dict[str, Path]:
    """The sets that come with the project, by name."""
    return {path.stem: path for path in sorted(DATA.glob("*.jsonl"))}


def fast(cases: Iterable[EvalCase]) -> list[EvalCase]:
    """The subset marked `{"fast": true}` in its metadata."""
    return [case for case in cases if case.metadata.get("fast") is True]


def load_external(path: Path) -> ExternalSet:
    """A set that isn't part of the project, by path; its layout is told from its content.

    A file: JSON Lines of cases, or of `{"question", "quote"?, "facts"?, …}`. A folder: a CSV table of questions whose
    gold column holds either ids of entries in a JSON list of `{"id", "text"}`, or paths below the folder or its `docs`.
    Raises CaseError when nothing is there or it has none of these forms.
    """
    if not path.exists():
        raise CaseError(f"There is no evaluation set at {path}; give the path of a JSON Lines file or of a folder.")
    if path.is_dir():
        return _folder(path)
    rows = list(_rows(path))
    cases = _checked(path, ((number, row if "inputs" in row else _from_question(row, number)) for number, row in rows))
    return ExternalSet(path.stem, tuple(cases))


def _rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"The cases in {path} can't be read: {error}.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise CaseError(f"{path}, line {number}: not JSON ({error}).") from None
        if not isinstance(row, dict):
            raise CaseError(f"{path}, line {number}: a case is a JSON object, not {type(row).__name__}.")
        yield number, row


def _checked(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[EvalCase]:
    seen: dict[str, int] = {}
    cases = []
    for number, row in rows:
        try:
            case = EvalCase.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the case"
            raise CaseError(f"{path}, line {number}: {where}: {first['msg']}.{_hint(where)}") from None
        if case.id in seen:
            raise CaseError(f"{path}, line {number}: the id {case.id!r} stands on line {seen[case.id]} already.")
        seen[case.id] = number
        cases.append(case)
    if not cases:
        raise CaseError(f"{path} holds no cases; each line has to be one JSON object.")
    return cases


def _hint(where: str) -> str:
    """What is expected where many a case goes wrong."""
    if "facts" in where.split("."):
        return (' `facts` is a list of facts, each of them a list of wordings of which one must be said: [["least recently used", "LRU"], '
                '["300 seconds"]].')
    return ""


def _from_question(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A question list's row as a case; what isn't expected of the answer becomes metadata."""
    outputs = {name: row[name] for name in Outputs.model_fields if name in row and name not in ("turns", "documents")}
    if row.get("quote"):
        outputs["quotes"] = [row["quote"]]
    inputs = {name: row[name] for name in ("question", "documents") if name in row}
    rest = {key: value for key, value in row.items() if key not in {*outputs, *inputs, "id", "quote"}}
    return {"id": str(row.get("id", f"line-{number}")), "inputs": inputs, "outputs": outputs, "metadata": rest}


def _folder(path: Path) -> ExternalSet:
    for table in sorted(path.glob("*.csv")):
        rows = _table(table)
        gold = next((name for name in ("document", "filename") if rows and name in rows[0]), None)
        if gold is None or "question" not in rows[0]:
            continue
        documents = _entries(path) if gold == "document" else _files(path)
        names = {document.name for document in documents}
        cases = []
        for number, row in enumerate(rows, 1):
            name = f"{row[gold]}.md" if gold == "document" else row[gold]
            if name not in names:
                raise CaseError(f"{table}, question {number}: its gold document {row[gold]!r} isn't in {path}.")
            case = {"id": f"q{number}", "inputs": {"query": row["question"]}, "outputs": {"documents": [name]}}
            cases.append(EvalCase.model_validate(case))
        return ExternalSet(path.name, tuple(cases), documents)
    raise CaseError(f"{path} is no evaluation set: it has no CSV table with columns question and document or filename.")


def _table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CaseError(f"The table {path} can't be read: {error}.") from None


def _entries(path: Path) -> tuple[Document, ...]:
    """Entries of the JSON list beside a table, one document each; entries that share an id become one document."""
    texts: dict[str, list[str]] = {}
    for file in sorted(path.glob("*.json")):
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CaseError(f"The entries in {file} can't be read: {error}.") from None
        if not _is_entry_list(entries):
            continue
        for entry in entries:
            title = f"# {entry['question']}\n\n" if entry.get("question") else ""
            texts.setdefault(str(entry["id"]), []).append(f"{title}{entry['text']}\n")
    return tuple(Document(name=f"{key}.md", text="\n".join(parts)) for key, parts in texts.items())


def _is_entry_list(entries: object) -> bool:
    return isinstance(entries, Sequence) and not isinstance(entries, str) and bool(entries) and all(
        isinstance(entry, Mapping) and "id" in entry and isinstance(entry.get("text"), str) for entry in entries
    )


def _files(path: Path) -> tuple[Document, ...]:
    root = path / "docs" if (path / "docs").is_dir() else path
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in (".md", ".txt") and file.is_file())
    try:
        return tuple(Document(name=file.relative_to(root).as_posix(), text=file.read_text("utf-8")) for file in files)
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"The documents below {root} can't be read: {error}.") from None
