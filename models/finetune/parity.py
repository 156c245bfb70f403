"""Whether llama.cpp says with an exported file what the training's own model says, logit by logit.

Rule: what is compared is the change that the training made, not the model: on a base of four bits the noise of
every logit is as large as what a wrong file would add.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.engine.context import Context, Row
from models.engine.llama import Llama
from models.engine.settings import EnginePlan, Lora
from models.finetune import lora_model
from models.finetune.layout import Array, ExportError
from models.finetune.lineage import Trained
from models.finetune.mask import batch, hidden_states
from models.finetune.rows import read_rows
from models.finetune.tokens import Pack, Tokens, packs, token_rows

LEAST_COSINE = 0.98  # of the change of the logits, here and there; a 4-bit base's own noise leaves 0.995
PARITY_ROWS = 20


@dataclass(frozen=True, slots=True)
class Parity:
    """How llama.cpp with the file agrees with the training's model over `tokens` places.

    `error` is the mean difference of a logit, `change` how much the LoRA changes one, `cosine` that of the
    two changes, `argmax` the share of places with the same likeliest token.
    """

    tokens: int
    error: float
    change: float
    cosine: float
    argmax: float


def parity_over(trained: Path, model: Path, rows: Path, **served: Path) -> Parity:
    """`parity` over the first rows of a file; raises RowError too."""
    tokens = Tokens(model)
    return parity(trained, model, packs(token_rows(tokens, read_rows(rows)[:PARITY_ROWS])), **served)


def parity(
    trained: Path, model: Path, asked: Sequence[Pack], *, lora: Path | None = None, merged: Path | None = None
) -> Parity:
    """Holds llama.cpp, with `lora` on the base `model` or with the file `merged`, against the training's own
    model over the answers of `asked`, read from the first to the last token.

    Raises ExportError below `LEAST_COSINE`.
    """
    there, there_bare = _served(merged or model, lora, asked), _served(model, None, asked)
    saved = Trained.from_file(trained)
    dense = lora_model.load(model)
    here_bare = _trained(dense, asked)
    lora_model.add_lora(dense, rank=saved.rank, alpha=saved.alpha, seed=0, dtype=torch.float32)
    lora_model.set_lora_state(dense, saved.pairs)
    here = _trained(dense, asked)
    one, other = here - here_bare, there - there_bare
    found = Parity(
        tokens=len(here),
        error=float(np.abs(here - there).mean()),
        change=float(np.abs(one).mean()),
        cosine=float((one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-12)),
        argmax=float((here.argmax(1) == there.argmax(1)).mean()),
    )
    if not found.cosine >= LEAST_COSINE:
        file = merged or lora or model
        raise ExportError(
            f"llama.cpp with {file.name} does not say what the trained model says: over {found.tokens} tokens the "
            f"change of the logits has a cosine of {found.cosine:.3f}, at least {LEAST_COSINE} is needed"
        )
    return found


def _trained(model: Any, asked: Sequence[Pack]) -> Array:
    with torch.inference_mode():
        logits = [model.lm_head(hidden_states(model.eval(), batch([pack], apart=False))) for pack in asked]
    found: Array = torch.cat(logits).float().numpy()
    return found


def _served(model: Path, lora: Path | None, asked: Sequence[Pack]) -> Array:
    """The engine's logits before each answer token of `asked`; what rows share is read once."""
    most = max(len(pack.prefix) + len(tail.tokens) for pack in asked for tail in pack.tails)
    plan = EnginePlan(
        path=str(model),
        context_tokens=most,
        threads=1,
        gpu_layers=0,
        kv_type="f16",
        flash_attention="auto",
        batch_tokens=most,
        repack=False,
        kv_tokens=most,
    )
    llama = Llama(plan, progress=lambda: None)
    chosen = None if lora is None else Lora("parity", str(lora), "")
    context = Context(llama, sequences=1, lora=chosen)
    logits = []
    for pack in asked:
        shared = len(pack.prefix)
        context.clear()
        if shared:
            context.read([Row(token, place, 0, wanted=False) for place, token in enumerate(pack.prefix)])
        for tail in pack.tails:
            context.drop(0, shared)
            last = len(tail.tokens) - 1
            wanted = range(tail.answer - 1, last)
            context.read([Row(token, shared + n, 0, n in wanted) for n, token in enumerate(tail.tokens)])
            logits += [context.logits(n).copy() for n in wanted]
    context.close()
    return np.stack(logits)
