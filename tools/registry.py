"""Finds every tool: walks the two packages and collects the Tool objects in their modules. Knows no tool by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from tools.base import Tool, ToolError


class Registry:
    """Tools by name; `name@version` picks a version, a bare name the newest."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            if each.id in self._tools and self._tools[each.id] is not each:
                raise ValueError(f"two tools are called {each.id}")
            self._tools[each.id] = each

    def __iter__(self) -> Iterator[Tool]:
        """The newest version of each tool, by name."""
        newest: dict[str, Tool] = {}
        for each in sorted(self._tools.values(), key=lambda item: (item.name, item.version)):
            newest[each.name] = each
        return iter(newest.values())

    def get(self, name: str) -> Tool:
        """Raises ToolError with the nearest names when there is none."""
        if name in self._tools:
            return self._tools[name]
        found = [each for each in self._tools.values() if each.name == name]
        if found:
            return max(found, key=lambda each: each.version)
        names = sorted({each.name for each in self._tools.values()})
        near = difflib.get_close_matches(name, names, 3, 0.6)
        hint = f"Did you mean {', '.join(near)}?" if near else "`tutor tools` lists them."
        raise ToolError(f"There is no tool called {name!r}. {hint}")


class LazyRegistry(Registry):
    """All tools, imported when one is first asked for: most questions need none, and hundreds of schemas take a second."""

    def __init__(self) -> None:
        self._loaded: dict[str, Tool] | None = None

    @property
    def _tools(self) -> dict[str, Tool]:  # type: ignore[override]
        if self._loaded is None:
            self._loaded = load_tools()._tools
        return self._loaded


def load_tools() -> Registry:
    """Imports every module of tools.calculators and tools.simulators. A new file there is found by itself."""
    import tools.calculators
    import tools.simulators

    found: dict[int, Tool] = {}
    for package in (tools.calculators, tools.simulators):
        for module in pkgutil.iter_modules(package.__path__):
            for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
                if isinstance(value, Tool):
                    found[id(value)] = value
    return Registry(found.values())
