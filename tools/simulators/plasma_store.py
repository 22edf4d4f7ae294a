"""A one-object Plasma: an object put into real shared memory and read back, timed against pickling. Knows no Ray."""

from __future__ import annotations

import mmap
import os
import pickle
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, TypeVar

from tools.base import Ask, Case, Line, Params, Plot, Tool, ToolError, ToolResult, formula, param, tool
from tools.calculators.plasma import KIND, MIB, Kind, arrays, dump5, make, shares

MEASURED_MIB = 32
OBJECT_MIB = 2
REPEATS = 3
SHARED_DIR = "/dev/shm"
PATHS = ("pickle4", "pickle5", "shared-memory")

T = TypeVar("T")


def measured(registered: Tool) -> Tool:
    """Marks a formula whose result is a measurement, so that two runs needn't agree to the byte."""
    return replace(registered, measures=True)


class PlasmaStore(Params):
    size_MiB: int = param(4, ge=1, le=1024, unit="MiB", words=["size", "array", "object", "dataframe", "MiB"])
    kind: Kind = param("ndarray", **KIND)
    path: Literal["pickle4", "pickle5", "shared-memory"] = param(
        "shared-memory", words=["path", "protocol", "via"], help="how the reader gets it")


@tool("plasma-store", group="C", kind="simulator", measures=True,
      words=["plasma", "zero-copy", "shared memory", "object store", "pickle", "serialization", "put", "attach",
             "zero copy read", "copies of an array"],
      example={"size_MiB": 4, "kind": "ndarray"},
      cases=[
          Case({"kind": "ndarray"}, {"buffers": 1, "shares_memory": True, "read_only": True, "put_copies_MiB": 4.0},
               rel=1e-12, source="PEP 574"),
          Case({"kind": "ndarray", "path": "pickle4"}, {"shares_memory": False}, source="PEP 574"),
          Case({"kind": "list-of-dicts"}, {"buffers": 0, "shares_memory": False}, source="PEP 574"),
          Case({"kind": "object-frame"}, {"buffers": 0, "shares_memory": False}, source="PEP 574"),
          Case({"size_MiB": 256}, {"pickle4_dumps_ms": 474, "pickle4_loads_ms": 126, "pickle5_dumps_ms": 0.10,
                                   "pickle5_loads_ms": 0.25, "meta_bytes": 121, "attach_ms": 0.26,
                                   "store_put_cold_ms": 179, "store_put_warm_ms": 19},
               source="measured once on a Linux machine of 2 virtual CPUs", shown=True),
      ],
      asks=[
          Ask("How many out-of-band buffers does pickle protocol 5 make of a numpy array of 8 MiB in Plasma?",
              "buffers", 1),
          Ask("Put a 16 MiB array into the shared-memory object store: how much does the put copy?", "put_copies_MiB",
              16),
          Ask("Zero-copy with Plasma: how many MiB does a reader copy when it gets a 32 MiB ndarray?", "get_copies_MiB",
              0),
          Ask("I put a list of dicts into plasma; how many buffers are shared out of band?", "buffers", 0),
          Ask("Plasma: a 64 MiB ndarray is put into shared memory - how many MiB does the put copy?", "put_copies_MiB", 64),
      ])
def plasma_store(p: PlasmaStore, seed: int) -> ToolResult:
    """Puts a real object into shared memory and reads it back, beside pickle protocols 4 and 5: times, copies, sharing.

    The store is an unlinked file in /dev/shm (else in the temporary directory, as Ray's Plasma does), mapped once by
    the writer and once, read-only, by the reader: the call that another process would make. A put pickles with protocol
    5 and copies the out-of-band buffers into the store; a get maps the store, unpickles the metadata around it and
    reads one element. Times are the best of a few runs and depend on the machine: compare them, don't quote them.
    Numbers beyond 32 MiB are measured at 32 and scaled (but the attach, which is done in full); Python objects at 2.

    People get wrong: "zero-copy" is the get, not the put, which copies every byte (and a scan still pays page faults);
    and it holds for typed blocks only. A list of dicts or a frame of texts has no buffer to share: each reader
    unpickles it whole. What is shared is read-only.
    Sources: PEP 574; Ray documentation, objects/serialization (pickle 5 replaced the Arrow serializer).

    >>> plasma_store(PlasmaStore(size_MiB=1), 0).values["shares_memory"]
    True
    """
    measured_MiB = min(p.size_MiB, MEASURED_MIB if p.kind in ("ndarray", "numeric-frame") else OBJECT_MIB)
    scale = p.size_MiB / measured_MiB
    value = make(p.kind, measured_MiB * MIB)
    values = _values(p, _pickled(value) | _stored(value), scale)
    return ToolResult(
        tool="plasma-store", values=values,
        units={name: "ms" if name.endswith("_ms") else "MiB" if name.endswith("_MiB") else "bytes"
               if name.endswith("bytes") else "count" if name == "buffers" else "times" for name in values
               if name not in ("shares_memory", "read_only")},
        naive={"put_ms": values["get_ms"], "put_copies_MiB": 0.0, "get_copies_MiB": 0.0, "shares_memory": True},
        summary=f"Reading {p.size_MiB} MiB ({p.kind}) by {p.path} takes {values['get_ms']:.3g} ms and "
        f"{'shares' if values['shares_memory'] else 'does not share'} the memory; unpickling protocol 4 takes "
        f"{values['pickle4_loads_ms']:.3g} ms. A put into the store isn't free, as \"zero-copy\" suggests: "
        f"{values['store_put_warm_ms']:.3g} ms, {values['store_put_cold_ms']:.3g} on first touch.",
        formula="put = protocol-5 metadata + copy of the buffers; get = map + metadata; only out-of-band buffers are "
                "shared",
        series={"path": list(PATHS), "write_ms": _sides(values)[0], "read_ms": _sides(values)[1]},
        plot=_plot(p, values),
        assumptions=["writer and reader are two mappings in one process; another process makes the same call",
                     "times are the best of a few runs on this machine",
                     f"measured at {measured_MiB} MiB" + (f" and scaled by {scale:g}" if scale > 1 else "")],
        warnings=_warnings(p, values, scale),
    )


@measured
@formula("plasma.attach_vs_pickle_ratio", unit="times", cases=[
    Case({"MiB": 256}, {"min_speedup": 50}, source="126 ms to unpickle, 0.26 ms to attach and read; at least 50 times",
         shown=True),
])
def attach_vs_pickle_ratio(
    MiB: int = param(256, ge=1, le=1024, unit="MiB", words=["MiB", "array", "size"]),
) -> dict[str, float]:
    """How many times faster a reader attaches to an array in shared memory than it unpickles it (protocol 4). Measured.

    Best of a few runs on this machine; unpickling beyond 32 MiB is scaled. It grows with the size, for attaching
    doesn't."""
    used = min(MiB, MEASURED_MIB)
    pickled = pickle.dumps(make("ndarray", used * MIB), protocol=4)
    loads, _ = _best(lambda: pickle.loads(pickled), REPEATS)
    return {"min_speedup": loads * MiB / used / attach_ms(MiB)}


def attach_ms(size_MiB: int) -> float:
    """Best time to map a store of that size read-only and to read its first element; no other page is touched."""
    with _store(size_MiB * MIB, MIB) as store:
        return _best(lambda: float(_mapped(store, size_MiB * MIB).view("f8")[0]), 2 * REPEATS)[0]


def _pickled(value: Any) -> dict[str, Any]:
    """Both protocols: times, sizes, and whether what comes out shares memory with what went in."""
    dumps4, pickled = _best(lambda: pickle.dumps(value, protocol=4), 1)
    loads4, copied = _best(lambda: pickle.loads(pickled), REPEATS)
    found = {"dumps4": dumps4, "loads4": loads4, "pickle4_bytes": len(pickled), "pickle4": shares(value, copied)}
    pickled, copied = b"", None
    dumps5, (meta, buffers) = _best(lambda: dump5(value), REPEATS)
    loads5, seen = _best(lambda: pickle.loads(meta, buffers=buffers), REPEATS)
    return found | {"dumps5": dumps5, "loads5": loads5, "pickle5": shares(value, seen)}


def _stored(value: Any) -> dict[str, Any]:
    """A put and a get: times, sharing, and resident memory of both mappings."""
    import numpy as np

    dumps5, (meta, buffers) = _best(lambda: dump5(value), REPEATS)
    raw = [np.frombuffer(each.raw(), dtype=np.uint8) for each in buffers]
    ends = np.cumsum([0, *(each.nbytes for each in raw)]).tolist()
    total = max(ends[-1], 1)
    with _store(total, total) as store:
        writer = _mapped(store, total, writable=True)

        def put() -> None:
            for at, part in zip(ends, raw, strict=False):
                writer[at:at + part.nbytes] = part

        def get() -> tuple[Any, Any]:
            reader = _mapped(store, total)
            parts = [reader[at:end] for at, end in pairwise(ends)]
            got = pickle.loads(meta, buffers=parts)
            _ = [column[:1].sum() for column in arrays(got)]
            return got, reader

        cold, _ = _best(put, 1)
        warm, _ = _best(put, REPEATS)
        attach, (got, reader) = _best(get, 2 * REPEATS)
        inside = arrays(got)
        scan, _ = _best(lambda: [column.sum() for column in inside], 1)
        rss, pss = _resident_MiB([writer.ctypes.data, reader.ctypes.data]) if buffers else (None, None)
        return {"put_cold": dumps5 + cold, "put_warm": dumps5 + warm, "attach": attach, "scan": scan,
                "meta_bytes": len(meta), "buffers": len(buffers), "buffer_bytes": ends[-1], "rss": rss, "pss": pss,
                "shared-memory": any(np.may_share_memory(column, reader) for column in inside),
                "read_only": not any(column.flags.writeable for column in inside) if buffers else None}


def _values(p: PlasmaStore, t: dict[str, Any], scale: float) -> dict[str, Any]:
    """Times and sizes at the asked size; an attach of typed blocks is measured at that size, for it doesn't scale."""
    whole = attach_ms(p.size_MiB) if t["buffers"] and scale > 1 else t["attach"] * (1 if t["buffers"] else scale)
    copied = {"pickle4": t["pickle4_bytes"], "pickle5": t["meta_bytes"], "shared-memory": t["meta_bytes"]}[p.path]
    bare = p.path != "pickle4" and t["buffers"]
    put_bytes = copied if not bare else t["buffer_bytes"] if p.path == "shared-memory" else 0
    flat = 1 if t["buffers"] else scale
    return {
        "get_ms": {"pickle4": t["loads4"] * scale, "pickle5": t["loads5"] * flat, "shared-memory": whole}[p.path],
        "put_ms": {"pickle4": t["dumps4"] * scale, "pickle5": t["dumps5"] * flat,
                   "shared-memory": t["put_warm"] * scale}[p.path],
        "shares_memory": bool(t[p.path]), "read_only": t["read_only"] if p.path == "shared-memory" else False,
        "put_copies_MiB": put_bytes * scale / MIB,
        "get_copies_MiB": 0.0 if bare else copied * scale / MIB,
        "buffers": t["buffers"], "meta_bytes": t["meta_bytes"], "pickle4_dumps_ms": t["dumps4"] * scale,
        "pickle4_loads_ms": t["loads4"] * scale, "pickle5_dumps_ms": t["dumps5"] * flat,
        "pickle5_loads_ms": t["loads5"] * flat, "store_put_cold_ms": t["put_cold"] * scale,
        "store_put_warm_ms": t["put_warm"] * scale, "attach_ms": whole, "scan_ms": t["scan"] * scale,
        "speedup_over_pickle4": t["loads4"] * scale / whole,
        "rss_of_both_MiB": t["rss"] and t["rss"] * scale, "pss_of_both_MiB": t["pss"] and t["pss"] * scale,
    }


def _best(act: Callable[[], T], times: int) -> tuple[float, T]:
    """Shortest of several runs in ms (at least 100 ns, so that ratios stay finite), and what the last one gave."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter_ns()
        found = act()
        best = min(best, (time.perf_counter_ns() - began) / 1e6)
    return max(best, 1e-4), found


@contextmanager
def _store(size: int, touched: int) -> Iterator[int]:
    """Descriptor of an unlinked file of that size: in shared memory if `touched` bytes fit, else on disk."""
    try:
        status = os.statvfs(SHARED_DIR)
        roomy = os.access(SHARED_DIR, os.W_OK) and status.f_bavail * status.f_frsize > 2 * touched
    except OSError:
        roomy = False
    try:
        with tempfile.TemporaryFile(dir=SHARED_DIR if roomy else None) as file:
            os.ftruncate(file.fileno(), size)
            yield file.fileno()
    except OSError as error:
        raise ToolError(f"plasma-store: no room to share {size / MIB:.0f} MiB ({error.strerror}); take a smaller "
                        "size_MiB.") from None


def _mapped(store: int, size: int, writable: bool = False) -> Any:
    """The store as bytes; the mapping goes when the array does."""
    import numpy as np

    return np.frombuffer(mmap.mmap(store, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ),
                         dtype=np.uint8)


def _resident_MiB(addresses: list[int]) -> tuple[float | None, float | None]:
    """Rss and Pss of the mappings that begin there, summed; None where the system doesn't tell (it takes Linux)."""
    try:
        with open("/proc/self/smaps", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return None, None
    rss = pss = 0
    for address in addresses:
        found = re.search(rf"^0*{address:x}-.*?^Rss:\s+(\d+) kB.*?^Pss:\s+(\d+) kB", text, re.M | re.S)
        if not found:
            return None, None
        rss, pss = rss + int(found[1]), pss + int(found[2])
    return rss / 1024, pss / 1024


def _sides(values: dict[str, Any]) -> tuple[list[float], list[float]]:
    return ([values["pickle4_dumps_ms"], values["pickle5_dumps_ms"], values["store_put_warm_ms"]],
            [values["pickle4_loads_ms"], values["pickle5_loads_ms"], values["attach_ms"]])


def _plot(p: PlasmaStore, values: dict[str, Any]) -> Plot:
    write, read = _sides(values)
    return Plot(title=f"Reading may be free of copies, writing isn't: {p.size_MiB} MiB ({p.kind})",
                x_label="path", y_label="time (ms)", log_y=True,
                lines=[
        Line(label="write", kind="bar", x=list(PATHS), y=list(write)),
        Line(label="read", kind="bar", x=list(PATHS), y=list(read)),
        Line(label="put taken for zero-copy too (naive)", x=[PATHS[0], PATHS[-1]], y=[values["attach_ms"]] * 2,
             dashed=True)])


def _warnings(p: PlasmaStore, values: dict[str, Any], scale: float) -> list[str]:
    found = []
    if scale > 1:
        found.append(f"Scaled from {p.size_MiB / scale:g} MiB{', but for the attach' if values['buffers'] else ''}.")
    if not values["buffers"]:
        found.append("Nothing goes out of band: every reader unpickles its own copy. Keep the numbers in arrays.")
    if values["buffers"] and values["rss_of_both_MiB"] is None:
        found.append("This system doesn't tell the memory of a mapping (Rss, Pss).")
    return found
