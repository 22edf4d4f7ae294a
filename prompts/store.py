"""The versioned prompt store: finds, verifies and renders prompts of a folder; knows no model and no agent.

    PromptError > UnknownPrompt, PromptChanged, BadTemplate, MissingInput, BadInput   (prompts.errors)

    folder/library/<name>/v<N>.md   one version, immutable once lock.toml holds its hash; `_name` is a partial
    folder/active.toml              which version is active, and which bears a label
    folder/lock.toml                the hash of every version, and the partials that it was locked with
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prompts.active import ActiveVersions
from prompts.errors import BadInput, BadTemplate, MissingInput, PromptChanged, PromptError, UnknownPrompt
from prompts.inputs import check_inputs, read_inputs
from prompts.lock import Locked, read_lock, write_lock
from prompts.source import Source, canonical, read_source
from prompts.template import Template, compile_template, expand_partials, partial_names

__all__ = ["SHIPPED", "BadInput", "BadTemplate", "MissingInput", "Prompt", "PromptChanged", "PromptError",
           "PromptStore", "Rendered", "UnknownPrompt"]

SHIPPED = Path(__file__).parent
NAME = re.compile(r"_?[a-z][a-z0-9_]*")
LABEL = re.compile(r"[a-z][a-z0-9_-]*")
REFERENCE = re.compile(r"(?P<name>[^@]*)(?:@(?P<version>[1-9]\d{0,8}))?")
VERSION_FILE = re.compile(r"v(?P<version>[1-9]\d{0,8})\.md")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt. `hash` is the sha256 (hex) of its canonical text with partials expanded, `template`
    that text without front matter, `inputs` name to type as declared, `partials` the ids it was built with."""

    name: str
    version: int
    hash: str
    description: str
    inputs: Mapping[str, Any] = field(hash=False)
    template: str
    labels: tuple[str, ...] = ()
    partials: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt with its inputs filled in."""

    text: str
    prompt: Prompt


class PromptStore:
    """Prompts of `folder`. `overrides` is a TOML file in a learner's home (it may not exist yet): its active versions
    win over the shipped ones, and `activate` writes to it alone.

    >>> PromptStore().get("tutor@1").id
    'tutor@1'
    """

    def __init__(self, folder: Path = SHIPPED, overrides: Path | None = None) -> None:
        self._folder = folder
        self._choice = ActiveVersions(folder / "active.toml", overrides)
        self._read: dict[Path, tuple[bytes, Source]] = {}
        self._compiled: dict[str, Template] = {}
        self._known: dict[tuple[str, str | None], tuple[Prompt, tuple[tuple[Path, tuple[int, int]], ...]]] = {}

    def get(self, ref: str, label: str | None = None) -> Prompt:
        """`tutor` is the active version, `tutor@2` that one; with a label, the version that bears it.

        A label is looked up in active.toml, then in front matter (highest version); `production` is the active
        version unless active.toml says otherwise. Raises UnknownPrompt, PromptChanged.
        """
        known = self._known.get((ref, label))
        if known is not None and all(_stamp(path) == stamp for path, stamp in known[1]):
            return known[0]
        prompt = self._load(*self._pick(ref, label), self._locked())
        # Every file that the answer hangs on; as long as none has been touched, the answer stands.
        parts = [tuple(each.split("@")) for each in (prompt.id, *prompt.partials)]
        files = [*self._choice.files, self._folder / "lock.toml", *(self._folder / self._where(n, int(v)) for n, v in parts)]
        self._known[(ref, label)] = (prompt, tuple((path, _stamp(path)) for path in files))
        return prompt

    def render(self, ref: str | Prompt, /, **inputs: Any) -> Rendered:
        """Fills a prompt in. Values are data: braces in them are never read as tags.

        Raises UnknownPrompt, PromptChanged, MissingInput, BadInput.
        """
        prompt = self.get(ref) if isinstance(ref, str) else ref
        shape = read_inputs(prompt.inputs, prompt.id)
        check_inputs(shape, inputs, prompt.id)
        template = self._compiled.get(prompt.hash)
        if template is None:
            template = self._compiled[prompt.hash] = compile_template(prompt.template, shape, prompt.id)
        return Rendered(template.render(inputs), prompt)

    def names(self) -> list[str]:
        """Every prompt, partials too (they begin with _), sorted."""
        library = self._folder / "library"
        if not library.is_dir():
            raise PromptError(f"{library} doesn't exist; a prompt store keeps its prompts there.")
        return sorted(entry.name for entry in library.iterdir() if NAME.fullmatch(entry.name) and self._numbers(entry))

    def versions(self, name: str) -> list[int]:
        """The versions of a prompt, ascending. Raises UnknownPrompt."""
        found = self._numbers(self._folder / "library" / name) if NAME.fullmatch(name) else []
        if not found:
            raise UnknownPrompt(f"There is no prompt {name!r}; there are: {', '.join(self.names())}.")
        return found

    def active(self) -> dict[str, int]:
        """Prompt name to active version, a home's choice included."""
        return self._choice.active()

    def labels(self) -> dict[str, dict[str, int]]:
        """Label to prompt name to version, as active.toml and the home give them."""
        return self._choice.labels()

    def activate(self, name: str, version: int, label: str | None = None) -> None:
        """Makes a version the active one, or gives it a label, from the next `get` on.

        Raises UnknownPrompt and PromptChanged as `get` does, and PromptError when the file can't be written.
        """
        if label is not None and not LABEL.fullmatch(label):
            raise PromptError(f"A label can't be {label!r}; use lower-case letters, digits, - and _.")
        self.get(f"{name}@{version}")
        self._choice.choose(name, version, label)

    def diff(self, old: str, new: str) -> str:
        """Unified diff of two versions with partials expanded, front matter in sorted JSON; "" when they are equal.

        Versions that aren't locked yet can be compared too. Raises UnknownPrompt, BadTemplate.
        """
        before, after = (self._canonical_lines(ref) for ref in (old, new))
        return "\n".join(difflib.unified_diff(before, after, fromfile=old, tofile=new, lineterm=""))

    def verify(self) -> list[str]:
        """All that is wrong with the store, a sentence each; [] when it is sound. Never raises PromptError."""
        problems: list[str] = []
        try:
            locked = self._locked()
            problems += self._strays()
            ids = [f"{name}@{number}" for name in self.names() for number in self.versions(name)]
            lines = self._choice.lines()
            inactive = [name for name in self.names() if name not in self.active()]
        except PromptError as error:
            return [*problems, str(error)]
        problems += [f"{name} has no active version; name one in active.toml." for name in inactive]
        problems += [f"{line} names a version that isn't there ({self._known_of(line.name)}); change that line or take it out."
                     for line in lines if f"{line.name}@{line.version}" not in ids]
        for ref in dict.fromkeys([*ids, *locked]):
            try:
                self._load(*self._pick(ref, None), locked)
            except PromptError as error:
                problems.append(str(error))
        return list(dict.fromkeys(problems))

    def lock(self) -> list[str]:
        """Takes every new version into lock.toml and returns their ids; its partials are pinned to the versions that
        are active now. Raises PromptChanged, BadTemplate or UnknownPrompt, and then writes nothing."""
        locked = self._locked()
        new: dict[str, Locked] = {}
        for name in self.names():
            for number in self.versions(name):
                prompt = self._load(name, number, locked, check=f"{name}@{number}" in locked)
                if prompt.id not in locked:
                    new[prompt.id] = Locked(prompt.hash, prompt.partials)
        if new:
            write_lock(self._folder / "lock.toml", {**locked, **new})
        return list(new)

    def _pick(self, ref: str, label: str | None) -> tuple[str, int]:
        match = REFERENCE.fullmatch(ref)
        if match is None or (match["version"] and label):
            raise UnknownPrompt(f"{ref!r} can't be looked up; ask for a name, name@version, or a name with a label.")
        name = match["name"]
        versions = self.versions(name)
        if match["version"]:
            return name, int(match["version"])
        chosen = None if label is None else self.labels().get(label, {}).get(name)
        if chosen is not None:
            return name, chosen
        if label is None or label == "production":
            return name, self._active_version(name)
        bearers = [number for number in versions if label in self._source(name, number).labels]
        if not bearers:
            raise UnknownPrompt(f"No version of {name} bears the label {label!r}; give it to one with activate.")
        return name, bearers[-1]

    def _active_version(self, name: str) -> int:
        version = self.active().get(name)
        if version is None:
            raise UnknownPrompt(f"{name} has no active version; activate one of {self.versions(name)}.")
        return version

    def _load(self, name: str, version: int, locked: Mapping[str, Locked], *, check: bool = True,
              including: tuple[str, ...] = ()) -> Prompt:
        """A version with its partials; with `check`, it and they must be what lock.toml holds."""
        ref, where = f"{name}@{version}", self._where(name, version)
        entry = locked.get(ref)
        if check and entry is None and version in self.versions(name):
            raise PromptChanged(f"{where} isn't in lock.toml; when its text is final, lock the store to take it in.")
        try:
            prompt = self._build(name, version, locked, check, (*including, ref))
        except (BadTemplate, UnknownPrompt) as error:
            if not check or entry is None:
                raise
            raise PromptChanged(_changed(where)) from error
        if check and entry is not None and prompt.hash != entry.hash:
            raise PromptChanged(_changed(where))
        return prompt

    def _build(self, name: str, version: int, locked: Mapping[str, Locked], check: bool,
               chain: tuple[str, ...]) -> Prompt:
        where = self._where(name, version)
        source, entry = self._source(name, version), locked.get(chain[-1])
        included: dict[str, Prompt] = {}
        for partial in partial_names(source.template):
            if not partial.startswith("_"):
                raise BadTemplate(f"{where} includes {partial!r}; only a prompt whose name begins with _ is a partial.")
            number = self._active_version(partial) if entry is None else entry.version_of(partial)
            if number is None:
                raise BadTemplate(f"{where} includes {partial}, which it didn't when it was locked; drop it again.")
            if f"{partial}@{number}" in chain:
                raise BadTemplate(f"{where} includes {partial}, which includes it; break the circle.")
            included[partial] = self._load(partial, number, locked, check=check, including=chain)
        template = expand_partials(source.template, lambda partial: included[partial].template)
        compile_template(template, read_inputs(source.inputs, where), where)
        digest = hashlib.sha256(canonical(source, template).encode()).hexdigest()
        return Prompt(name, version, digest, source.description, source.inputs, template, source.labels,
                      tuple(prompt.id for prompt in included.values()))

    def _source(self, name: str, version: int) -> Source:
        where = self._where(name, version)
        path = self._folder / where
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            known = ", ".join(map(str, self.versions(name)))
            raise UnknownPrompt(f"{name} has no version {version}; it has: {known}.") from None
        except OSError as error:
            raise PromptError(f"{path} can't be read ({error.strerror}); check what it is.") from error
        cached = self._read.get(path)
        if cached is None or cached[0] != raw:
            cached = self._read[path] = (raw, read_source(raw, where))
        return cached[1]

    def _canonical_lines(self, ref: str) -> list[str]:
        prompt = self._load(*self._pick(ref, None), self._locked(), check=False)
        return canonical(self._source(prompt.name, prompt.version), prompt.template).splitlines()

    def _locked(self) -> dict[str, Locked]:
        return read_lock(self._folder / "lock.toml")

    def _strays(self) -> list[str]:
        files = (path for path in (self._folder / "library").rglob("*") if path.is_file())
        return [f"{path.relative_to(self._folder).as_posix()} is no prompt; name it <name>/v<number>.md."
                for path in sorted(files)
                if path.parent.parent != self._folder / "library"
                or not (NAME.fullmatch(path.parent.name) and VERSION_FILE.fullmatch(path.name))]

    def _known_of(self, name: str) -> str:
        numbers = self._numbers(self._folder / "library" / name) if NAME.fullmatch(name) else []
        return f"there are {', '.join(map(str, numbers))}" if numbers else f"there is no prompt {name!r}"

    @staticmethod
    def _numbers(folder: Path) -> list[int]:
        if not folder.is_dir():
            return []
        matches = (VERSION_FILE.fullmatch(path.name) for path in folder.iterdir())
        return sorted(int(match["version"]) for match in matches if match)

    @staticmethod
    def _where(name: str, version: int) -> str:
        return f"library/{name}/v{version}.md"


def _changed(where: str) -> str:
    return f"{where} was changed after it was locked; restore it, and write the new text as a new version."


def _stamp(path: Path) -> tuple[int, int]:
    """Modification time and size of a file; (0, -1) for one that isn't there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, -1
    return found.st_mtime_ns, found.st_size
