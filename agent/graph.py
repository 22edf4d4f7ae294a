"""The whole loop on one screen: nodes and edges.

    START → recall → think ⇄ act → observe → (think | review) → reply → END
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.context import TurnContext
from agent.nodes.act import act
from agent.nodes.observe import observe
from agent.nodes.recall import recall
from agent.nodes.reply import reply
from agent.nodes.review import review
from agent.nodes.think import after_thinking, think
from agent.state import TutorState


def build_graph(checkpointer: BaseCheckpointSaver[str]) -> CompiledStateGraph[TutorState, TurnContext, Any, Any]:
    """The compiled graph; the same for the offline reasoner and for any other model."""
    graph = StateGraph(TutorState, context_schema=TurnContext)
    graph.add_node("recall", recall)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_node("observe", observe)
    graph.add_node("review", review)
    graph.add_node("reply", reply)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "think")
    graph.add_conditional_edges("think", after_thinking)
    graph.add_edge("act", "observe")
    graph.add_edge("observe", "think")
    graph.add_edge("review", "reply")
    graph.add_edge("reply", END)
    return graph.compile(checkpointer=checkpointer)
