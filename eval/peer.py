"""The peer of the benchmark: LangChain's recursive splitter with Chroma and MiniLM. Needs the extra `bench`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

CHUNK, OVERLAP = 1000, 200


class Peer:
    """A stock vector index over documents by name."""

    def __init__(self, texts: Mapping[str, str], folder: Path) -> None:
        from langchain_chroma import Chroma
        from langchain_huggingface import HuggingFaceEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        from memory.export import packaged_model

        splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK, chunk_overlap=OVERLAP)
        chunks = [(name, chunk) for name, text in texts.items() for chunk in splitter.split_text(text)]
        self._store = Chroma.from_texts(
            [chunk for _, chunk in chunks], HuggingFaceEmbeddings(model_name=str(packaged_model())),
            metadatas=[{"document": name} for name, _ in chunks], persist_directory=str(folder), collection_name="peer")

    def documents(self, query: str) -> list[str]:
        """Names of the documents of the 30 best chunks, best first, each once."""
        return list(dict.fromkeys(str(found.metadata["document"]) for found in self._store.similarity_search(query, 30)))


def main(source: str, folder: str) -> int:
    path = Path(source)
    files = sorted(path.glob("*.md")) if path.is_dir() else [path]
    Peer({file.name: file.read_text("utf-8") for file in files}, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
