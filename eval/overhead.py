"""One turn with one tool call and an instant model: ours (tracing and grounding included), and LangChain's create_agent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from agent.events import TurnRequest
from agent.runtime import open_tutor
from agent.scripted import ScriptedModel, script
from agent.settings import Settings
from memory.chroma import ArrayVectors
from memory.errata import Errata
from memory.lexical import LexicalIndex
from memory.minilm import HashEmbedder
from memory.open import Memory
from memory.passages import PassageStore
from memory.retrieve import Retriever
from memory.sql import Database
from tools.base import Params, ToolResult, param, tool
from tools.registry import Registry


class Echoed(Params):
    x: float = param(1.0, ge=0, le=10)


@tool("echo", group="bench")
def echo(p: Echoed, seed: int) -> ToolResult:
    """Gives back its number."""
    return ToolResult(tool="echo", values={"x": p.x}, summary=f"x is {p.x}")


def _model() -> ScriptedModel:
    return script(AIMessage("", tool_calls=[{"name": "echo", "args": {"x": 2}, "id": "c1"}]), AIMessage("x is 2.0"), cycle=True)


async def ours(folder: Path, turns: int) -> list[float]:
    """Seconds of each turn, over a home on disk with an empty index."""
    folder.mkdir(parents=True)
    db, vectors, embedder = Database(folder / "tutor.sqlite"), ArrayVectors(), HashEmbedder()
    lexical = LexicalIndex(db)
    store = PassageStore(db, vectors, lexical, embedder)
    memory = Memory(None, db, store, vectors, Retriever(store, vectors, lexical, embedder), Errata(()))
    times = []
    with open_tutor(Settings(home=folder), memory=memory, model=_model(), registry=Registry([echo])) as tutor:
        for _ in range(turns):
            began = time.perf_counter()
            await tutor.ask(TurnRequest(question="hello"))
            times.append(time.perf_counter() - began)
    db.close()
    return times


async def theirs(folder: Path, turns: int) -> list[float]:
    """Seconds of each turn of create_agent with AsyncSqliteSaver, durability sync."""
    from langchain.agents import create_agent
    from langchain_core.tools import tool as langchain_tool
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    @langchain_tool
    def echo(x: float) -> str:
        """Gives back its number."""
        return f"x is {x}"

    folder.mkdir(parents=True)
    times = []
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.sqlite")) as saver:
        agent: Any = create_agent(_model(), [echo], checkpointer=saver)
        for number in range(turns):
            began = time.perf_counter()
            await agent.ainvoke({"messages": [("user", "hello")]}, {"configurable": {"thread_id": str(number)}}, durability="sync")
            times.append(time.perf_counter() - began)
    return times
