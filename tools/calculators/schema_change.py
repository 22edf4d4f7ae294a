"""Schema changes in words, such as "add with default" or "int->long", as a pair of Avro schemas before and after."""

from __future__ import annotations

import re
from typing import Any

from tools.base import ToolError
from tools.calculators.avro_resolution import PRIMITIVES

COMMON = ("add with default", "add without default", "remove with default", "remove without default",
          "rename with alias",
          "rename without alias", "int->long", "long->int", "int->string", "string->bytes", "int->nullable int",
          "nullable int->int", "add enum symbol", "remove enum symbol", "add enum symbol with default",
          "reorder fields", "rename record")
"""What is asked most; `pair` understands more."""

_ALSO = {"integer": "int", "int32": "int", "bigint": "long", "int64": "long", "bool": "boolean", "str": "string",
         "text": "string", "varchar": "string"}
_SYMBOLS = ["CARD", "CASH", "WIRE"]


def pair(change: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(schema before, schema after) of an event record for a change in words.

    Understands adding, removing and renaming a field (with or without default or alias), a change of type `X->Y` (also
    `X to Y`; X and Y primitives, `nullable X`, `array<X>`, `map<X>`, `fixed(N)`, `enum`), making a field optional or
    required, enum symbols, order, defaults, docs, namespaces, and the record's name. Raises ToolError for what it
    doesn't.

    >>> before, after = pair("add with default")
    >>> [field["name"] for field in after["fields"] if field not in before["fields"]]
    ['extra']
    """
    words = re.sub(r"\s+", " ", change.strip().lower().replace("_", " ").replace("→", "->").replace("=>", "->"))
    words = re.sub(r"^(change|widen|narrow|promote|convert) (the )?(type|field|column)?( from )?", "", words).strip()
    words = re.sub(r"^(?P<what>.*\b(?:field|column|symbol))s? (?:was |is "
                   r")?(?P<did>added|removed|dropped|deleted|renamed)\b",
                   r"\g<did> \g<what>", words)
    for rule in (_enum, _added_or_removed, _renamed, _harmless, _retyped):
        found = rule(words)
        if found is not None:
            return found
    raise ToolError(f"The schema change {change[:60]!r} is not understood; try one of {', '.join(COMMON[:8])}, or "
                    f"X->Y.")


def _base() -> dict[str, Any]:
    return {"type": "record", "name": "Payment", "fields": [
        {"name": "id", "type": "long"}, {"name": "amount", "type": "int"}, {"name": "payer", "type": "string"},
        {"name": "method", "type": {"type": "enum", "name": "Method", "symbols": list(_SYMBOLS)}}]}


def _with(field: dict[str, Any]) -> dict[str, Any]:
    schema = _base()
    schema["fields"].append(field)
    return schema


def _enum(words: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The default meant is the enum's own, which stands for symbols unknown to a reader."""
    if "symbol" not in words and not re.search(r"\benum value", words):
        return None
    before, after = _base(), _base()
    method = after["fields"][3]["type"]
    if re.search(r"\b(add|new|extend)", words):
        method["symbols"] = [*_SYMBOLS, "COIN"]
    elif re.search(r"\b(remove|drop|delete)", words):
        method["symbols"] = _SYMBOLS[:-1]
    elif re.search(r"\brename", words):
        method["symbols"] = [*_SYMBOLS[:-1], "TRANSFER"]
    elif re.search(r"\b(reorder|order)", words):
        method["symbols"] = _SYMBOLS[::-1]
    else:
        return None
    if "default" in words and not re.search(r"\b(without|no) ", words):
        before["fields"][3]["type"]["default"] = method["default"] = _SYMBOLS[0]
    return before, after


def _added_or_removed(words: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    match = re.match(r"(add(?:ed|ing)?|new|insert|removed?|removing|drop(?:ped|ping)?|deleted?|deleting)\b", words)
    of_a_field = re.search(r"\b(default|alias|doc)$", words) and not re.search(r"\b(with|without|no|has)\b", words)
    if match is None or of_a_field:
        return None
    field: dict[str, Any] = {"name": "extra", "type": "string"}
    without = re.search(r"\b(without|no|lacks?)( an?)? default|\brequired\b|\bmandatory\b", words)
    if not without and re.search(r"\boptional\b", words):
        field |= {"type": ["null", "string"], "default": None}
    elif re.search(r"\bnullable\b|\bunion\b", words):
        field["type"] = ["null", "string"]
        if not without and "default" in words:
            field["default"] = None
    elif not without and "default" in words:
        field["default"] = ""
    small, large = _base(), _with(field)
    return (small, large) if match[1].startswith(("add", "new", "insert")) else (large, small)


def _renamed(words: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if not re.match(r"renam(e|ed|ing)\b", words):
        return None
    before, after = _base(), _base()
    alias = "alias" in words and not re.search(r"\b(without|no)( an?)? alias", words)
    target = after if re.search(r"\b(record|schema)\b", words) else after["fields"][2]
    old, target["name"] = target["name"], "Renamed"
    if alias:
        target["aliases"] = [old]
    return before, after


def _harmless(words: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    before, after = _base(), _base()
    if re.search(r"\breorder|\border of fields|\bfield order", words):
        after["fields"].reverse()
    elif re.search(r"\bdocs?\b|\bdocumentation\b|\bcomment", words):
        after["doc"] = "A payment."
    elif re.search(r"\bnamespace\b", words):
        after["namespace"] = "org.example"
    elif re.search(r"\balias", words):
        after["fields"][2]["aliases"] = ["payer_name"]
    elif re.search(r"\bdefault", words):
        removed = re.search(r"\b(remove|drop|delete)", words)
        (before if removed else after)["fields"][2]["default"] = ""
        if re.match(r"(change|alter|new|other)?\s*default", words):
            before["fields"][2]["default"] = "?"
    elif re.fullmatch(r"(no change|nothing|none|identical|same)", words):
        pass
    else:
        return None
    return before, after


def _retyped(words: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if re.search(r"\b(make|becomes?)\b.*\b(optional|nullable)\b|\brequired ?(->|to) ?(optional|nullable)\b", words):
        words = "string->nullable string"
    elif re.search(r"\b(make|becomes?)\b.*\brequired\b|\b(optional|nullable) ?(->|to) ?required\b", words):
        words = "nullable string->string"
    match = re.fullmatch(r"(?P<old>.+?)\s*(?:->|\bto\b)\s*(?P<new>.+)", words)
    if match is None:
        return None
    old, new = _type(match["old"].strip()), _type(match["new"].strip())
    if match["new"].strip() == "union":
        new = ["null", old]
    if old is None or new is None:
        return None
    return _with({"name": "extra", "type": old}), _with({"name": "extra", "type": new})


def _type(text: str) -> Any:
    """A type in words, or None."""
    text = re.sub(r"^(a|an|the|field|type|column)\s+", "", text).strip(" '\"`")
    text = _ALSO.get(text, text)
    if text in PRIMITIVES:
        return text
    if match := re.fullmatch(r"(?:nullable|optional|null\s*\|)\s*(.+)|(.+?)\s*(?:\?|\|\s*null)", text):
        inner = _type(match[1] or match[2])
        return None if inner is None else ["null", inner]
    if match := re.fullmatch(r"(?:union)?\s*\[(.+)\]|union\s*<(.+)>", text):
        branches = [_type(part.strip()) for part in (match[1] or match[2]).split(",")]
        return None if None in branches else branches
    if match := re.fullmatch(r"(array|list|map)\s*(?:<|\(|of )\s*(.+?)s?\s*[>)]?", text):
        inner = _type(match[2])
        kind = "map" if match[1] == "map" else "array"
        return None if inner is None else {"type": kind, "values" if kind == "map" else "items": inner}
    if match := re.fullmatch(r"fixed\s*[(<\[]?\s*(\d+)\s*[)>\]]?", text):
        return {"type": "fixed", "name": "Digest", "size": int(match[1])}
    if text == "enum":
        return {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
    return None
