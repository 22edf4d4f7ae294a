"""What pickle protocol 5 takes out of band for an object, and what sharing it saves. Pickles for real, times
nothing."""

from __future__ import annotations

import pickle
import re
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator

from tools.base import Case, ToolError, formula, outputs, param

MIB = 1024 * 1024
COPIED_MIB = 64
"""Protocol 4 copies everything, so it is tried on no more than this; whether memory is shared doesn't depend on
size."""
ROW_BYTES = 100


def _usual(kind: Any) -> Any:
    """A kind of DataFrame is a frame here."""
    return re.sub(r"[\s_]+", "-", re.sub(r"data[\s_-]?frame", "frame", kind.lower())) if isinstance(kind, str) else kind


Kind = Annotated[Literal["ndarray", "numeric-frame", "object-frame", "list-of-dicts"], BeforeValidator(_usual)]
KIND: dict[str, Any] = {"words": ["ndarray", "numpy", "array", "dataframe", "frame", "list of dicts", "object columns"],
                        "help": "what is stored", "validation_alias": AliasChoices("kind", "type")}

ARROW_STATUS: tuple[tuple[int, str], ...] = (
    (12, "removed (Arrow 12.0.0 no longer ships it)"),
    (10, "deprecated in Arrow 10.0.0, to be removed in ~12.0.0"),
    (0, "part of Arrow"),
)
"""By first major version. The notice in 10 and 11 says "12.0.0 or so"; pyarrow 12 has no plasma module."""


def make(kind: Kind, size_bytes: int) -> Any:
    """An object of about so many bytes: float64 array, frame of 4 float columns, frame of texts, or list of small
    dicts.

    Object kinds hold a row for every 100 bytes. Numbers beyond 64 MiB are zeros that were never written, so that they
    take no memory until they are copied. Raises ToolError for frames when pandas isn't installed."""
    import numpy as np

    rows = max(1, size_bytes // ROW_BYTES)
    numbers = np.zeros if size_bytes > COPIED_MIB * MIB else np.arange
    if kind == "ndarray":
        return numbers(max(1, size_bytes // 8), dtype=np.float64)
    if kind == "list-of-dicts":
        return [{"id": row, "name": f"user {row}", "score": row / 7} for row in range(rows)]
    try:
        import pandas as pd
    except ImportError:
        raise ToolError(f"plasma: {kind!r} needs pandas, which isn't installed; take another kind.") from None
    if kind == "numeric-frame":
        cells = numbers(max(1, size_bytes // 32) * 4, dtype=np.float64).reshape(-1, 4)
        return pd.DataFrame(cells, columns=list("abcd"), copy=False)
    return pd.DataFrame({"name": pd.Series([f"user {row}" for row in range(rows)], dtype=object)})


def arrays(value: Any) -> list[Any]:
    """The numeric arrays inside an object, without copying: itself, or the columns of a frame that aren't objects."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, list):
        return []
    return [value[name].to_numpy() for name in value.columns if value[name].dtype != object]


def shares(one: Any, other: Any) -> bool:
    """Whether any numeric array of one lies in the memory of the other's."""
    import numpy as np

    return any(np.may_share_memory(left, right) for left, right in zip(arrays(one), arrays(other), strict=True))


def dump5(value: Any) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """Metadata and out-of-band buffers of protocol 5; the buffers still are the object's own memory."""
    buffers: list[pickle.PickleBuffer] = []
    return pickle.dumps(value, protocol=5, buffer_callback=buffers.append), buffers


@formula("plasma.zero_copy_invariant", words=["zero-copy", "zero copy", "out-of-band"], cases=[
    Case({"array_MiB": 8, "out": "meta<1000B, buffers, shares(p5 oob), shares(p4)"}, {"result": [True, 1, True, False]},
         source="PEP 574"),
    Case({"array_MiB": 1, "kind": "list-of-dicts"}, {"result": [False, 0, False, False]},
         source="no buffer to take out"),
])
def zero_copy_invariant(
    array_MiB: float = param(8, gt=0, le=1024, unit="MiB", words=["array", "size"]),
    kind: Kind = param("ndarray", **KIND), out: str = outputs(
        meta="meta", buffers="buffer", shares_p5="p5|oob|protocol.?5", shares_p4="p4|protocol.?4"),
) -> list[Any]:
    """For an object: is protocol 5's metadata under 1,000 bytes, how many buffers go out of band, does the copy share
    memory with protocol 5, does it with protocol 4?

    Kinds made of Python objects are tried with at most 4 MiB and protocol 4 with at most 64."""
    value = make(kind, _size(kind, array_MiB))
    meta, buffers = dump5(value)
    small = value if _size(kind, array_MiB) <= COPIED_MIB * MIB else value[: COPIED_MIB * MIB // 32]
    return [len(meta) < 1000, len(buffers), shares(value, pickle.loads(meta, buffers=buffers)),
            shares(small, pickle.loads(pickle.dumps(small, protocol=4)))]


@formula("plasma.out_of_band", words=["out-of-band buffers"], cases=[
    Case({"kind": "ndarray", "rows": 1000}, {"buffers": 1, "out_of_band_bytes": 8000}, source="PEP 574"),
    Case({"kind": "numeric-frame", "rows": 1000}, {"buffers": 1, "out_of_band_bytes": 32_000}, source="one block"),
    Case({"kind": "object-frame", "rows": 1000}, {"buffers": 0, "out_of_band_bytes": 0},
         source="PEP 574: object dtype"),
    Case({"kind": "list-of-dicts", "rows": 1000}, {"buffers": 0, "out_of_band_bytes": 0}, source="PEP 574"),
])
def out_of_band(
    kind: Kind = param("ndarray", **KIND),
    rows: int = param(1000, ge=1, le=200_000, unit="count", words=["rows", "elements"]),
) -> dict[str, Any]:
    """Buffers and bytes that protocol 5 leaves out of the pickle, and the bytes of the pickle itself.

    Only what lies in one typed block of memory goes out of band; Python objects are pickled one by one."""
    width = {"ndarray": 8, "numeric-frame": 32}.get(kind, ROW_BYTES)
    meta, buffers = dump5(make(kind, rows * width))
    return {"buffers": len(buffers), "out_of_band_bytes": sum(each.raw().nbytes for each in buffers),
            "pickle_bytes": len(meta)}


@formula("plasma.oob_buffers", cases=[
    Case({"kind": "ndarray"}, {"result": 1}, source="PEP 574"),
    Case({"kind": "object-frame"}, {"result": 0}, source="PEP 574"),
    Case({"kind": "list-of-dicts"}, {"result": 0}, source="PEP 574"),
])
def oob_buffers(kind: Kind = param("ndarray", **KIND)) -> int:
    """Number of buffers that protocol 5 hands over out of band for a kind of object: 0 means that all is copied."""
    return len(dump5(make(kind, 100 * ROW_BYTES))[1])


@formula("plasma.arrow_status", words=["arrow plasma"], cases=[
    Case({}, {"result": "deprecated in Arrow 10.0.0, to be removed in ~12.0.0"}, source="pyarrow plasma source"),
    Case({"arrow_version": "9.0.0"}, {"result": "part of Arrow"}, source="pyarrow plasma source"),
    Case({"arrow_version": "14.0.1"}, {"result": "removed (Arrow 12.0.0 no longer ships it)"}, source="pyarrow 12"),
])
def arrow_status(
    arrow_version: str = param("10.0.0", max_length=20, words=["arrow"], help="such as 11.0.0"),
) -> str:
    """What became of Arrow's Plasma in an Arrow version. Ray forked it before 1.0; there it lives in the raylet."""
    found = re.match(r"\s*v?(\d{1,4})", arrow_version)
    if not found:
        raise ToolError(f"plasma.arrow_status: can't read version {arrow_version!r}; write it like 11.0.0.")
    return next(status for first, status in ARROW_STATUS if int(found[1]) >= first)


@formula("plasma.memory_MiB", unit="MiB", words=["memory of readers", "memory of all readers", "shared by processes"], cases=[
    Case({"size_MiB": 256, "readers": 10}, {"result": {"shared": 512, "copied": 2816}},
         source="the writer's own object, the store's copy; or a copy a reader"),
    Case({"size_MiB": 256, "readers": 10, "writer_frees": True}, {"result": {"shared": 256, "copied": 2560}},
         source="without the writer's own object"),
])
def memory_MiB(
    size_MiB: float = param(ge=0, le=1e9, unit="MiB", words=["size", "array", "object"]),
    readers: int = param(1, ge=0, le=1_000_000, unit="count", words=["readers", "workers", "processes"]),
    writer_frees: bool = param(False, words=["frees"], help="the writer drops its own object after the put"),
) -> dict[str, Any]:
    """Memory of one node in MiB when processes read an object: one copy in the store for all, or a copy for each."""
    own = 0 if writer_frees else 1
    return {"result": {"shared": size_MiB * (own + 1), "copied": size_MiB * (own + readers)}}


def _size(kind: Kind, size_MiB: float) -> int:
    """Bytes to make; object kinds are kept small, for each of their cells is an object of its own."""
    return round((size_MiB if kind in ("ndarray", "numeric-frame") else min(size_MiB, 4)) * MIB)
