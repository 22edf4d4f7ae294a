"""A chat model in a local GGUF file, served on loopback by llama.cpp inside this process: knows how to start and stop
it, not what is asked of it."""

from __future__ import annotations

import ctypes
import importlib
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONTEXT_TOKENS = (2048, 8192)
CLOSE_S = 60.0


class LocalModelError(Exception):
    """A local model can't be served; the text says why and what to do."""


@contextmanager
def serve_gguf(path: Path, context: int = 4096, threads: int | None = None, seed: int = 0) -> Iterator[str]:
    """Loads the model and gives the base URL (`http://127.0.0.1:PORT/v1`) of a server that speaks OpenAI's wire.

    Temperature is 0 and prompts aren't cached, so the same request gives the same text; a request may set otherwise
    (`temperature`, `seed`, `cache_prompt`). One request runs at a time. `response_format` with a JSON schema constrains
    what is sampled. Loading holds the interpreter (0.6 to 5 s for 100 MB): no event loop turns meanwhile.

    Leaving waits up to CLOSE_S for requests in flight: a stream that its client closed ends at once, a plain request runs
    to its last token. Close the clients first. Raises LocalModelError when the package, the file or the memory is
    missing. `context` is in tokens, 2048 to 8192; `threads` are half of the cores by default: llama.cpp's threads spin at a
    barrier for every token, so that on a core shared with anything else a token takes 500 ms instead of 20.
    """
    server = _start(path, context, threads or max(1, (os.cpu_count() or 2) // 2), seed)
    # llama.cpp deadlocks when it is freed during a request, and an exiting interpreter would free it: so this
    # reference holds it until it is known to be idle.
    pinned = ctypes.py_object(server)
    ctypes.pythonapi.Py_IncRef(pinned)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        if _idle(server, CLOSE_S):
            ctypes.pythonapi.Py_DecRef(pinned)
        else:
            warnings.warn(
                f"{path.name} still answers after {CLOSE_S:g} s and stays loaded until the process ends; close the client.",
                RuntimeWarning, stacklevel=3,
            )
        del server, pinned


def _start(path: Path, context: int, threads: int, seed: int) -> Any:
    least, most = CONTEXT_TOKENS
    if not least <= context <= most:
        raise LocalModelError(f"A context of {context} tokens is outside {least} to {most}; choose one inside.")
    _check_file(path)
    try:
        llama = importlib.import_module("xllamacpp")
    except ImportError as error:
        raise LocalModelError(
            f"Serving {path.name} needs the package xllamacpp; install the extra `local` (pip install -e '.[local]')."
        ) from error
    try:
        return llama.Server(_settings(llama, path, context, threads, seed))
    except RuntimeError as error:  # all that the binding says is that it failed
        raise LocalModelError(
            f"llama.cpp can't load {path}: the file is cut short, its architecture is unknown to xllamacpp "
            f"{llama.__version__}, or memory is short; fetch it again or take a smaller model."
        ) from error


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalModelError(f"The model file {path} can't be read ({error.strerror}); check the path.") from error
    if magic != b"GGUF":
        raise LocalModelError(f"{path} is not a GGUF file (it begins with {magic!r}); name a model in GGUF format.")


def _settings(llama: Any, path: Path, context: int, threads: int, seed: int) -> Any:
    params = llama.CommonParams()
    params.model.path = str(path)
    params.model_alias = {path.stem}  # else /v1/models tells the whole path
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = 0
    params.fit_params = False  # else llama.cpp may choose another context
    params.sampling.temp = 0.0
    params.sampling.seed = seed
    params.cache_prompt = False  # a cached prefix is computed in other batches, which can change the last bits
    params.cache_ram_mib = 0
    params.warmup = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_threads_http = 4
    params.cors_origins = ""  # no web page may use it
    params.ui = False
    params.offline = True
    params.endpoint_metrics = True  # _idle reads them
    params.endpoint_slots = False
    params.verbosity = -1  # stdout belongs to the caller
    return params


def _idle(server: Any, seconds: float) -> bool:
    """Waits until no request runs or queues; False when `seconds` weren't enough."""
    end = time.monotonic() + seconds
    while _busy(server.handle_metrics()):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _busy(metrics: str) -> bool:
    """Reads the Prometheus text: llama.cpp counts requests that run and that wait.

    >>> _busy("llamacpp:requests_processing 0\\nllamacpp:requests_deferred 2")
    True
    """
    names = ("llamacpp:requests_processing ", "llamacpp:requests_deferred ")
    return any(float(line.split()[1]) > 0 for line in metrics.splitlines() if line.startswith(names))
