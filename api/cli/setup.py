"""Set-up, once: exports the embedding model and builds the home that new homes start as a copy of. Shows its progress."""

from __future__ import annotations

import sys

from memory.export import export, model_folder
from memory.minilm import MODEL_FILE


def ensure_set_up() -> None:
    """Does what is missing; nothing when all is there. Progress goes to stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from agent.offline.likeness import ToolLikeness
    from memory.minilm import MiniLM
    from memory.open import build_template, template_folder
    from tools.registry import load_tools

    console = Console(stderr=True)
    if not (model_folder() / MODEL_FILE).is_file():
        with console.status("Exporting the embedding model (once, about 20 s) …"):
            lowest = export(model_folder())
        console.print(f"Embedding model ready: int8, cosine {lowest:.3f} or better to the original.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Indexing the built-in course", total=None)
        build_template(lambda what, done, total: bar.update(task, completed=done, total=total))
    console.print("The built-in course is indexed.")
    with console.status("Reading what the tools answer …"):
        embedder = MiniLM(model_folder())
        ToolLikeness(load_tools(), lambda text: embedder.embed_query(text).vector, embedder.name, [template_folder()])


if __name__ == "__main__":
    ensure_set_up()
    sys.exit(0)
