"""Garbage in a graph's files is seen before Chroma walks by it; a sound graph, of any size, is left alone."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from memory.chroma import ChromaVectors
from memory.graph_files import HEADER, damage

ROWS, WIDTH = 1500, 12
"""Enough for Chroma to write its graph into files."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph") / "chroma"
    made = ChromaVectors(folder, "test@1")
    made.add([f"p{at}" for at in range(ROWS)], np.random.default_rng(5).standard_normal((ROWS, WIDTH)).astype(np.float32), ["notes"] * ROWS)
    made.remove([f"p{at}" for at in range(0, ROWS, 7)])
    made.close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "chroma"))


def overwrite(folder: Path, name: str, at: int, what: bytes) -> None:
    [file] = folder.glob(f"*/{name}")
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(what)


def test_a_sound_graph_is_left_alone(sound: Path, tmp_path: Path) -> None:
    [header] = sound.glob("*/header.bin")
    assert HEADER.unpack(header.read_bytes())[3] >= 1000, "or nothing was looked at"
    assert damage(sound) is None and damage(tmp_path) is None


@pytest.mark.parametrize(("name", "at", "what", "why"), [
    ("data_level0.bin", 0, struct.pack("<H", 33), "links to nothing"), ("data_level0.bin", 4, struct.pack("<I", ROWS), "links to nothing"),
    ("data_level0.bin", 132, struct.pack("<f", float("nan")), "vectors that are none"),
    ("data_level0.bin", 9_000, np.random.default_rng(6).bytes(400), "data_level0.bin"),
    ("link_lists.bin", 0, struct.pack("<I", 5), "cut off"), ("link_lists.bin", 0, struct.pack("<I", 68_000_000), "cut off"),
    ("link_lists.bin", 4 * ROWS, np.full(68, 255, np.uint8).tobytes(), "links to nothing"),
    ("header.bin", 28, struct.pack("<Q", 7), "fit together"), ("header.bin", 20, struct.pack("<Q", 10**9), "cut off")],
    ids=lambda value: value if isinstance(value, str) else "")
def test_garbage_is_named(folder: Path, name: str, at: int, what: bytes, why: str) -> None:
    overwrite(folder, name, at, what)
    assert why in str(damage(folder))


def test_a_graph_that_is_cut_off_is_named(folder: Path) -> None:
    [file] = folder.glob("*/data_level0.bin")
    file.write_bytes(file.read_bytes()[:-1000])
    assert "cut off" in str(damage(folder))


def test_another_layout_is_for_chroma_to_judge(folder: Path) -> None:
    overwrite(folder, "header.bin", 0, struct.pack("<i", 2))
    assert damage(folder) is None
