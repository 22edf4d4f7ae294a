"""No file tells where it was made: the paths of a build machine mean nothing to anybody else."""

from __future__ import annotations

from tests.architecture.test_layout import ROOT, kept_files

# In halves, or this file would be the one that is found.
PLACES = ("/wo" + "rk/", "/tmp/" + "w/")


def test_no_file_names_a_place_on_a_build_machine() -> None:
    texts = {}
    for path in kept_files():
        try:
            texts[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # no text: a picture, a page of PDF
    assert len(texts) > 200
    assert {name: place for name, text in texts.items() for place in PLACES if place in text} == {}
