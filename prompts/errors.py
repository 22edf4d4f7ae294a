"""What can go wrong with a prompt, each as one sentence for whoever writes or asks for prompts; knows no file format.

PromptError
├── UnknownPrompt   no such name, version or label
├── PromptChanged   the library and lock.toml disagree
├── BadTemplate     a file that is no prompt, or a template that can't render
├── MissingInput    a required input wasn't given
└── BadInput        an input that isn't declared, or has the wrong type
"""

from __future__ import annotations


class PromptError(Exception):
    """Base of all: the text says what happened, with which prompt or file, and what to do."""


class UnknownPrompt(PromptError):
    """No prompt of this name, version or label; the text lists what there is."""


class PromptChanged(PromptError):
    """A version differs from what lock.toml holds: edited, deleted or never locked. Versions are immutable."""


class BadTemplate(PromptError):
    """The file or its template breaks the format; the text names file and place."""


class MissingInput(PromptError):
    """A render lacks an input that the prompt requires."""


class BadInput(PromptError):
    """A render got an input that the prompt doesn't declare, or a value of another type."""
