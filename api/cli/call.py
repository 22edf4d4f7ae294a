"""One call of one command: its arguments, its voice, and the backend that it opens when it needs one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.failures import CliError
from api.cli.output import Output, Progress

if TYPE_CHECKING:
    from agent.settings import Settings
    from api.backend import Backend

Opener = Callable[["Settings", Progress | None], AbstractContextManager["Backend"]]


@dataclass
class Call:
    """What a command's `run` gets. `opener` makes the backend: the home's own, or a test's."""

    args: Namespace
    out: Output
    opener: Opener | None = None

    @cached_property
    def settings(self) -> Settings:
        from agent.settings import settings_from

        given = {name: getattr(self.args, name, None) for name in ("home", "model", "base_url")}
        return settings_from(**given)

    @property
    def home(self) -> Path:
        return self.settings.home

    @contextmanager
    def backend(self, home: Path | None = None) -> Iterator[Backend]:
        """The home (or another one), or the server that owns it. Raises HomeBusy, IndexDamaged, and
        CliError for a model that a server wouldn't use."""
        opener = self.opener
        if opener is None:
            from api.backend import open_backend

            opener = open_backend
        with ExitStack() as stack:
            # The bars are for opening alone (a first start reads the course); they'd disturb what is shown afterwards.
            with self.out.progress() as progress:
                backend = stack.enter_context(opener(replace(self.settings, home=home or self.home), progress))
            if backend.server and any(getattr(self.args, name, None) for name in ("model", "base_url")):
                raise CliError("home_busy", f"The server at {backend.server} owns {self.home} and answers with its own model; "
                                            "stop it, or leave --model and --base-url out.")
            yield backend
