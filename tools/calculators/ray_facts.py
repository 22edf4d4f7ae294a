"""What Ray's documentation promises: recovery, defaults, serializer, store size. Looks facts up and times nothing."""

from __future__ import annotations

from typing import Literal

from tools.base import Ask, Case, ToolError, formula, param

INLINE_BYTES = 100 * 1024
"""Results up to 100 KiB travel in the reply to the owner and never enter the object store."""

_RAY = "Ray documentation"

SERIALIZERS: dict[str, str] = {
    "object": "pickle protocol 5 (replaced PyArrow serializer)",
    "function": "cloudpickle",
    "buffer": "out-of-band buffer of pickle protocol 5 (PEP 574), read-only and shared on the node",
}
"""By what is serialized; from ray-core/objects/serialization."""

DEFAULTS: dict[str, float] = {
    "task_max_retries": 3, "actor_max_restarts": 0, "actor_max_task_retries": 0, "actor_max_concurrency": 1,
    "object_store_share": 0.3, "object_store_max_GB": 200, "inline_bytes": INLINE_BYTES, "max_lineage_GB": 1,
}
"""From ray-core/fault_tolerance (tasks, actors, objects), scheduling/memory-management and ray_constants."""


@formula("ray.gcs_fault_tolerant_by_default", words=["GCS", "global control service"], cases=[
    Case({}, {"result": False}, source=f"{_RAY}, fault_tolerance/gcs: all data in memory"),
    Case({"backend": "redis"}, {"result": True}, source=f"{_RAY}, fault_tolerance/gcs: reloads from HA Redis"),
])
def gcs_fault_tolerant(
    backend: Literal["memory", "redis"] = param("memory", words=["backend"], help="memory is the default"),
) -> bool:
    """Whether the Global Control Service survives its own restart: not by default, for it keeps all data in memory.

    With a highly available Redis behind it, it reloads its data; running tasks and actors go on meanwhile."""
    return backend != "memory"


@formula("ray.serializer", words=["ray serialization"], cases=[
    Case({}, {"result": "pickle protocol 5 (replaced PyArrow serializer)"}, source=f"{_RAY}, objects/serialization"),
    Case({"what": "function"}, {"result": "cloudpickle"}, source=f"{_RAY}, objects/serialization"),
])
def serializer(what: Literal["object", "function", "buffer"] = param("object", words=["what"])) -> str:
    """What Ray serializes values with. Not the Arrow format, which older texts name."""
    return SERIALIZERS[what]


@formula("ray.default", words=["ray default"], cases=[
    Case({"setting": "task_max_retries"}, {"result": 3}, source=f"{_RAY}, fault_tolerance/tasks"),
    Case({"setting": "actor_max_restarts"}, {"result": 0}, source=f"{_RAY}, fault_tolerance/actors"),
    Case({"setting": "inline_bytes"}, {"result": 102_400}, source="ray_config_def.h, max_direct_call_object_size"),
])
def default(setting: str = param(max_length=60, words=["setting"], help="one of " + ", ".join(DEFAULTS))) -> float:
    """The default of a setting of Ray: retries, restarts, store share, inline limit."""
    if setting not in DEFAULTS:
        raise ToolError(f"ray.default: there is no {setting!r}; it knows {', '.join(DEFAULTS)}.")
    return DEFAULTS[setting]


@formula("ray.object_recoverable", words=["lineage reconstruction", "owner died", "lost object"], cases=[
    Case({"origin": "task", "lost": "data"}, {"result": True}, source=f"{_RAY}, fault_tolerance/objects"),
    Case({"origin": "task", "lost": "owner"}, {"result": False}, source=f"{_RAY}: OwnerDiedError"),
    Case({"origin": "put", "lost": "data"}, {"result": False}, source=f"{_RAY}: ray.put isn't recoverable"),
    Case({"origin": "put", "lost": "data", "copies_elsewhere": 1}, {"result": True}, source=f"{_RAY}: copies first"),
    Case({"origin": "actor", "lost": "data"}, {"result": False}, source=f"{_RAY}: actor tasks have 0 retries"),
    Case({"origin": "actor", "lost": "data", "retries": 1}, {"result": True}, source=f"{_RAY}: max_task_retries set"),
])
def object_recoverable(
    origin: Literal["task", "actor", "put"] = param("task", words=["made by"], help="what made the object"),
    lost: Literal["data", "owner"] = param("data", words=["lost", "died"],
                                           help="data: the node that stores the value; owner: who called .remote()"),
    copies_elsewhere: int = param(0, ge=0, le=10_000, unit="count", words=["copies"]),
    retries: int = param(-1, ge=-1, le=10_000, unit="count", words=["retries"],
                         help="-1: Ray's default (tasks 3, actor tasks 0)"),
) -> bool:
    """Whether Ray brings a lost object back by itself: from a copy, else by running its task again, never without
    owner."""
    if lost == "owner":
        return False
    usual = DEFAULTS["task_max_retries" if origin == "task" else "actor_max_task_retries"]
    left = retries if retries >= 0 else usual
    return copies_elsewhere > 0 or (origin != "put" and left > 0)


@formula("ray.object_store_GB", unit="GB", words=["object store size", "default object store"], cases=[
    Case({"memory_GB": 64}, {"result": 19.2}, rel=1e-12, source=f"{_RAY}, memory-management: 30% of memory"),
    Case({"memory_GB": 1000}, {"result": 200}, rel=1e-12, source="ray_constants: at most 200 GB"),
    Case({"memory_GB": 64, "shm_GB": 8}, {"result": 8}, rel=1e-12, source="/dev/shm smaller than 30%"),
], asks=[
    Ask("A node has 256 GB of RAM: how big is the object store of Ray by default?", "result", 76.8),
])
def object_store_GB(
    memory_GB: float = param(gt=0, le=1e6, unit="GB", words=["memory", "RAM"]),
    shm_GB: float = param(0, ge=0, le=1e6, unit="GB", words=["shm", "/dev/shm"], help="0: large enough"),
) -> float:
    """Default size in GB of a node's object store: 30% of its memory, at most 200 GB and what /dev/shm has."""
    return min(DEFAULTS["object_store_share"] * memory_GB, DEFAULTS["object_store_max_GB"], shm_GB or float(memory_GB))


@formula("ray.inlined", cases=[
    Case({"object_bytes": 102_400}, {"result": True}, source="max_direct_call_object_size = 100 KiB"),
    Case({"object_bytes": 102_401}, {"result": False}, source="max_direct_call_object_size = 100 KiB"),
])
def inlined(object_bytes: float = param(ge=0, le=1e15, unit="bytes", words=["object", "result"])) -> bool:
    """Whether a task's result travels in the reply to its owner instead of the object store (up to 100 KiB)."""
    return object_bytes <= INLINE_BYTES
