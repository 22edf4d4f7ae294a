"""Avro schema resolution: whether data of one schema can be read with another, by the rules of the Avro specification.

Knows schemas, not data: it answers for every datum that the writer's schema allows.
"""

from __future__ import annotations

from typing import Any

from tools.base import ToolError

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

PROMOTIONS: dict[str, tuple[str, ...]] = {
    "int": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",), "string": ("bytes",),
    "bytes": ("string",),
}

_MAX_DEPTH = 60


class _Schema:
    """A parsed schema with the named types that it defines."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.named: dict[str, dict[str, Any]] = {}
        self._collect(root, 0)

    def _collect(self, node: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ToolError(f"The schema is nested more than {_MAX_DEPTH} levels deep; flatten it.")
        if isinstance(node, list):
            for branch in node:
                self._collect(branch, depth + 1)
        elif isinstance(node, dict):
            kind = node.get("type")
            if kind in ("record", "error", "enum", "fixed"):
                if not isinstance(node.get("name"), str):
                    raise ToolError(f"An Avro {kind} needs a name; add \"name\".")
                self.named[_short(node["name"])] = node
            for child in ([field.get("type") for field in _fields(node)] if kind in ("record", "error") else
                          [node.get("items"), node.get("values")] if kind in ("array", "map") else [kind]):
                self._collect(child, depth + 1)

    def resolve(self, node: Any) -> Any:
        """A primitive's name, a union as a list, or the definition of a complex type."""
        while isinstance(node, dict) and not isinstance(node.get("type"), str):
            node = node.get("type")
        if isinstance(node, list):
            return node
        name = node if isinstance(node, str) else node.get("type") if isinstance(node, dict) else None
        if name in PRIMITIVES:
            return name
        if isinstance(node, dict) and name in ("record", "error", "enum", "fixed", "array", "map"):
            return node
        found = self.named.get(_short(str(name)))
        if found is None:
            raise ToolError(f"The schema has a type {str(name)[:60]!r} that Avro doesn't know and nothing defines.")
        return found


def unreadable(writer: Any, reader: Any) -> str | None:
    """Why some data written with `writer` can't be read with `reader` (both as parsed JSON), or None if all can.

    Raises ToolError for what is no Avro schema.

    >>> unreadable("int", "long") is None, unreadable("long", "int")
    (True, 'long data is no int')
    """
    return _Resolution(_Schema(writer), _Schema(reader)).check()


class _Resolution:
    def __init__(self, writer: _Schema, reader: _Schema) -> None:
        self.writer, self.reader = writer, reader
        self.assumed: set[tuple[str, str]] = set()

    def check(self) -> str | None:
        return self._problem(self.writer.root, self.reader.root, True)

    def _problem(self, written: Any, wanted: Any, top: bool = False) -> str | None:
        w, r = self.writer.resolve(written), self.reader.resolve(wanted)
        if isinstance(w, list):
            return next((problem for branch in w if (problem := self._problem(branch, wanted))), None)
        if isinstance(r, list):
            if any(self._problem(written, branch) is None for branch in r):
                return None
            return f"{_name(w)} data fits no branch of the reader's union"
        if isinstance(w, str) or isinstance(r, str):
            same = w == r or (isinstance(w, str) and r in PROMOTIONS.get(w, ()))
            return None if same else f"{_name(w)} data is no {_name(r)}"
        kind = w["type"]
        if kind != r["type"]:
            return f"{_name(w)} data is no {_name(r)}"
        if kind == "array":
            return self._problem(w.get("items"), r.get("items"))
        if kind == "map":
            return self._problem(w.get("values"), r.get("values"))
        if not _same_name(w, r):
            return f"the reader calls {kind} {w['name']} {r['name']} and has no alias for it"
        return {"enum": _enum_problem, "fixed": _fixed_problem}.get(kind, self._record_problem)(w, r)

    def _record_problem(self, w: dict[str, Any], r: dict[str, Any]) -> str | None:
        pair = (_short(w["name"]), _short(r["name"]))
        if pair in self.assumed:  # a recursive type: what is being checked holds until shown otherwise
            return None
        self.assumed.add(pair)
        written = {field["name"]: field for field in _fields(w)}
        for field in _fields(r):
            known = next((name for name in (field["name"], *field.get("aliases", ())) if name in written), None)
            if known is None:
                if "default" not in field:
                    self.assumed.discard(pair)
                    return f"the data has no field {field['name']} and the reader has no default for it"
                continue
            if problem := self._problem(written[known].get("type"), field.get("type")):
                self.assumed.discard(pair)
                return f"in field {field['name']} {problem}"
        return None


def _enum_problem(w: dict[str, Any], r: dict[str, Any]) -> str | None:
    unknown = [symbol for symbol in w.get("symbols", ()) if symbol not in r.get("symbols", ())]
    if unknown and "default" not in r:
        return f"the reader's enum lacks {unknown[0]} and has no default"
    return None


def _fixed_problem(w: dict[str, Any], r: dict[str, Any]) -> str | None:
    return None if w.get("size") == r.get("size") else f"a fixed of {w.get('size')} bytes is none of {r.get('size')}"


def _same_name(w: dict[str, Any], r: dict[str, Any]) -> bool:
    """Names are compared without their namespaces, as the specification asks."""
    return _short(w["name"]) in {_short(name) for name in (r["name"], *r.get("aliases", ()))}


def _fields(node: dict[str, Any]) -> list[dict[str, Any]]:
    fields = node.get("fields", [])
    if not isinstance(fields, list) or not all(isinstance(field, dict) and isinstance(field.get("name"), str)
                                               for field in fields):
        raise ToolError("An Avro record needs a list of fields, each with a name and a type.")
    return fields


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _name(node: Any) -> str:
    return node if isinstance(node, str) else str(node.get("type"))
