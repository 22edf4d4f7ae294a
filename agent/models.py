"""Chat models by name: "offline", "openai:…", "anthropic:…", "ollama:…", any other of init_chat_model's, "gguf:FILE"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import ModelUnavailable, UnknownModel
from agent.settings import Calls, is_url

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXTRAS = {"openai": "langchain-openai", "anthropic": "langchain-anthropic", "ollama": "langchain-ollama"}
NO_KEY = "not-needed"
LOCAL_CONTEXT = 8192
SMALL_BYTES = 4e9
"""Of a model file: about seven billion weights of four bits. Smaller models choose tools badly, and on a processor a prompt that
explains tools takes them a minute."""
TOLD_TOKENS, WRITTEN_TOKENS = 120, 400


@dataclass(frozen=True)
class OpenModel:
    """`calls` is how it acts (agent.settings). `errors` are what its provider raises when it fails."""

    model: BaseChatModel
    name: str
    calls: Calls = "native"
    streams: bool = False
    errors: tuple[type[BaseException], ...] = ()


def open_model(name: str, offline: Callable[[], BaseChatModel], stack: ExitStack, base_url: str | None = None,
               timeout_s: float = 60.0, calls: Calls | None = None) -> OpenModel:
    """Opens a model; `stack` closes what it needs; `calls` is how it is to act, where that isn't left to it. Raises UnknownModel, and
    ModelUnavailable when its package or key is missing; one sentence that says what to do."""
    if name == "offline":
        return OpenModel(offline(), "offline")
    provider, _, rest = name.partition(":")
    if provider == "gguf":
        return _local(Path(rest).expanduser(), stack, timeout_s, calls)
    if not rest:
        raise UnknownModel(f"There is no model {name!r}. Name one as provider:model (for example openai:gpt-4o-mini or "
                           "ollama:llama3), as gguf:FILE, or \"offline\".")
    options: dict[str, Any] = {"timeout": timeout_s, "max_retries": 0}
    if base_url and not is_url(base_url):
        raise UnknownModel(f"The base URL {base_url!r} is none; give one such as http://127.0.0.1:8000/v1.")
    if base_url and provider == "openai":
        options |= {"base_url": base_url, "api_key": _key() or NO_KEY, "stream_usage": True}
    elif base_url:
        options |= {"base_url": base_url}
    if calls == "planned" and provider == "openai":
        options |= {"max_tokens": TOLD_TOKENS, "temperature": 0}
    return OpenModel(_remote(provider, rest, options), name, calls or "native", streams=True, errors=_failures(provider))


def _remote(provider: str, model: str, options: dict[str, Any]) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    try:
        found: BaseChatModel = init_chat_model(model, model_provider=provider, **options)
    except ImportError as error:
        package = EXTRAS.get(provider, f"langchain-{provider}")
        raise ModelUnavailable(f"The provider {provider!r} needs a package: pip install {package}.") from error
    except ValueError as error:
        if "nsupported" in str(error):
            raise UnknownModel(f"There is no provider {provider!r}. Known are openai, anthropic, ollama and the others of "
                               "LangChain's init_chat_model, gguf:FILE and \"offline\".") from error
        raise UnknownModel(f"{provider}:{model} can't be opened: {_first_line(error)}") from error
    except _key_errors() as error:
        raise ModelUnavailable(f"{provider}:{model} can't be opened: {_first_line(error)} Set the provider's key in the environment, "
                               "or use the model \"offline\".") from error
    return found


def _local(path: Path, stack: ExitStack, timeout_s: float, calls: Calls | None) -> OpenModel:
    from agent.gguf import LocalModelError, serve_gguf

    try:
        url = stack.enter_context(serve_gguf(path, context=LOCAL_CONTEXT))
    except LocalModelError as error:
        raise UnknownModel(str(error)) from error
    calls = calls or ("planned" if path.stat().st_size < SMALL_BYTES else "text")
    options = {"base_url": url, "api_key": NO_KEY, "timeout": timeout_s, "max_retries": 0, "temperature": 0,
               "max_tokens": TOLD_TOKENS if calls == "planned" else WRITTEN_TOKENS, "stream_usage": True}
    return OpenModel(_remote("openai", "local", options), f"gguf:{path.name}", calls, streams=True, errors=_failures("openai"))


def _failures(provider: str) -> tuple[type[BaseException], ...]:
    """What counts as the provider's fault: its own errors and the network's, nothing of ours."""
    import httpx
    from langchain_core.exceptions import LangChainException

    from agent.resilience import ProviderDown

    found: list[type[BaseException]] = [httpx.HTTPError, ConnectionError, LangChainException, ProviderDown]
    if provider == "openai":
        import openai

        found.append(openai.OpenAIError)
    elif provider == "anthropic":
        import anthropic

        found.append(anthropic.AnthropicError)
    elif provider == "ollama":
        import ollama

        found += [ollama.ResponseError, ollama.RequestError]
    return tuple(found)


def _key_errors() -> tuple[type[BaseException], ...]:
    try:
        import openai
    except ImportError:
        return ()
    return (openai.OpenAIError,)


def _key() -> str | None:
    from agent.settings import provider_key

    return provider_key("openai")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]
