"""README.md's examples do what they say, and its links lead somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_examples_hold() -> None:
    done = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert done.attempted > 0 and done.failed == 0


def test_the_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text("utf-8")) if "://" not in link]
    assert links and [link for link in links if not (ROOT / link).exists()] == []
