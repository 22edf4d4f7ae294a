"""LangGraph's checkpoints in the home's own SQLite file: every channel value once a version, pruned turn by turn.

Like the Postgres saver, it stores values apart from checkpoints, so that a long thread doesn't grow with the square of
its length. It writes on the caller's thread: one small transaction, where a hop to another thread costs more.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

from memory.sql import Database


class HomeSaver(BaseCheckpointSaver[str]):
    """A checkpoint saver over memory.sql.Database."""

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db

    # ---- writing

    def put(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata,
            new_versions: ChannelVersions) -> RunnableConfig:
        thread, ns = _place(config)
        parent = config["configurable"].get("checkpoint_id")
        slim = {**checkpoint, "channel_values": {}}
        kind, blob = self.serde.dumps_typed(slim)
        values = checkpoint["channel_values"]
        rows = []
        for channel, version in new_versions.items():
            value_kind, value = self.serde.dumps_typed(values[channel]) if channel in values else ("empty", b"")
            rows.append((thread, ns, channel, str(version), value_kind, value))
        with self._db.transaction():
            self._db.many("insert or replace into checkpoint_values(thread, ns, channel, version, type, value) "
                          "values (?,?,?,?,?,?)", rows)
            self._db.execute(
                "insert or replace into checkpoints(thread, ns, id, parent, type, checkpoint, metadata) values (?,?,?,?,?,?,?)",
                (thread, ns, checkpoint["id"], parent, kind, blob,
                 self.serde.dumps_typed(get_checkpoint_metadata(config, metadata))[1]))
        return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint["id"]}}

    def put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        thread, ns = _place(config)
        checkpoint = config["configurable"]["checkpoint_id"]
        rows = []
        for at, (channel, value) in enumerate(writes):
            kind, blob = self.serde.dumps_typed(value)
            rows.append((thread, ns, checkpoint, task_id, WRITES_IDX_MAP.get(channel, at), channel, kind, blob, task_path))
        # Errors and interrupts replace what was there; ordinary writes are kept from the first attempt.
        verb = "replace" if all(channel in WRITES_IDX_MAP for channel, _ in writes) else "ignore"
        with self._db.transaction():
            self._db.many(f"insert or {verb} into checkpoint_writes(thread, ns, id, task, position, channel, type, value, path) "
                          "values (?,?,?,?,?,?,?,?,?)", rows)

    def delete_thread(self, thread_id: str) -> None:
        with self._db.transaction():
            for table in ("checkpoints", "checkpoint_values", "checkpoint_writes"):
                self._db.execute(f"delete from {table} where thread = ?", (thread_id,))

    def prune_thread(self, thread_id: str) -> None:
        """Keeps the newest checkpoint of a thread and what it needs; the turns themselves lie in their own table."""
        with self._db.transaction():
            for row in self._db.execute("select ns, max(id) as id from checkpoints where thread = ? group by ns", (thread_id,)):
                ns, newest = row["ns"], row["id"]
                self._db.execute("delete from checkpoints where thread = ? and ns = ? and id < ?", (thread_id, ns, newest))
                self._db.execute("delete from checkpoint_writes where thread = ? and ns = ? and id < ?", (thread_id, ns, newest))
                kept = self._db.execute("select type, checkpoint from checkpoints where thread = ? and ns = ? and id = ?",
                                        (thread_id, ns, newest))[0]
                named = {(channel, str(version)) for channel, version in
                         self.serde.loads_typed((kept["type"], kept["checkpoint"]))["channel_versions"].items()}
                stored = self._db.execute("select channel, version from checkpoint_values where thread = ? and ns = ?", (thread_id, ns))
                self._db.many("delete from checkpoint_values where thread = ? and ns = ? and channel = ? and version = ?",
                              [(thread_id, ns, r["channel"], r["version"]) for r in stored if (r["channel"], r["version"]) not in named])

    # ---- reading

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns = _place(config)
        wanted = get_checkpoint_id(config)
        rows = self._db.execute(
            "select * from checkpoints where thread = :t and ns = :n and (:id is null or id = :id) order by id desc limit 1",
            {"t": thread, "n": ns, "id": wanted})
        return self._tuple(rows[0]) if rows else None

    def list(self, config: RunnableConfig | None, *, filter: dict[str, Any] | None = None,
             before: RunnableConfig | None = None, limit: int | None = None) -> Iterator[CheckpointTuple]:
        """Checkpoints of one thread, newest first. `filter` isn't offered: its keys must never come from users."""
        if config is None or filter:
            raise NotImplementedError("Checkpoints are listed for one thread, without a filter.")
        thread, ns = _place(config)
        rows = self._db.execute(
            "select * from checkpoints where thread = :t and ns = :n and (:b is null or id < :b) order by id desc limit :l",
            {"t": thread, "n": ns, "b": get_checkpoint_id(before) if before else None, "l": -1 if limit is None else limit})
        for row in rows:
            yield self._tuple(row)

    def _tuple(self, row: Any) -> CheckpointTuple:
        thread, ns = row["thread"], row["ns"]
        checkpoint: Checkpoint = self.serde.loads_typed((row["type"], row["checkpoint"]))
        versions = checkpoint["channel_versions"]
        stored = self._db.execute("select channel, version, type, value from checkpoint_values where thread = ? and ns = ?",
                                  (thread, ns))
        values = {r["channel"]: self.serde.loads_typed((r["type"], r["value"])) for r in stored
                  if str(versions.get(r["channel"])) == r["version"] and r["type"] != "empty"}
        writes = self._db.execute(
            "select * from checkpoint_writes where thread = ? and ns = ? and id = ? order by task, position",
            (thread, ns, row["id"]))
        place = {"thread_id": thread, "checkpoint_ns": ns}
        return CheckpointTuple(
            {"configurable": {**place, "checkpoint_id": row["id"]}},
            {**checkpoint, "channel_values": values},
            self.serde.loads_typed((row["type"], row["metadata"])),
            {"configurable": {**place, "checkpoint_id": row["parent"]}} if row["parent"] else None,
            [(w["task"], w["channel"], self.serde.loads_typed((w["type"], w["value"]))) for w in writes])

    # ---- the same, for async callers: SQLite answers in microseconds, so nothing is handed to another thread

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(self, config: RunnableConfig | None, *, filter: dict[str, Any] | None = None,
                    before: RunnableConfig | None = None, limit: int | None = None) -> AsyncIterator[CheckpointTuple]:
        for each in self.list(config, filter=filter, before=before, limit=limit):
            yield each

    async def aput(self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata,
                   new_versions: ChannelVersions) -> RunnableConfig:
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str,
                          task_path: str = "") -> None:
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        self.delete_thread(thread_id)

    def get_next_version(self, current: str | None, channel: None = None) -> str:
        """Versions sort as text and never repeat, also when two runs fork from one checkpoint."""
        number = int(current.split(".")[0]) if current else 0
        return f"{number + 1:032}.{random.random():016}"


def _place(config: RunnableConfig) -> tuple[str, str]:
    place = config["configurable"]
    return str(place["thread_id"]), str(place.get("checkpoint_ns", ""))
