"""The shipped judge: the default embedding model, tuned by a small LoRA to read question and sentence together.

Rule: the weights are the embedder's own and `judge.safetensors` beside this file, nothing else; nothing is
fetched. docs/decisions/007-the-judge.md tells what it was trained on and what it is worth.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.embedding.judge import Claim
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.errors import EmbedderUnavailable

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

WEIGHTS = Path(__file__).with_name("judge.safetensors")
MOST_TOKENS = 192
BEFORE_CHARACTERS = 100
TEXT_CHARACTERS = 500
_BATCH = 16


class EncoderJudge:
    """A cross-encoder of 22 million parameters; loads at first use. Safe to use from several threads."""

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[BertModel, torch.Tensor, torch.Tensor, Tokenizer] | None = None

    def judge(self, question: str, claims: Sequence[Claim]) -> list[float]:
        """For each claim how likely it answers `question`, 0 to 1."""
        import torch

        if not claims:
            return []
        with self._lock:
            model, weight, bias, tokenizer = self._ready()
            pairs = [(question, _text(claim)) for claim in claims]
            encoded = tokenizer.encode_batch(pairs)
            order = sorted(range(len(encoded)), key=lambda place: len(encoded[place].ids))
            scores = [0.0] * len(encoded)
            for start in range(0, len(order), _BATCH):
                places = order[start : start + _BATCH]
                longest = max(len(encoded[place].ids) for place in places)
                ids, kinds, mask = (torch.zeros(len(places), longest, dtype=torch.long) for _ in range(3))
                for row, place in enumerate(places):
                    one = encoded[place]
                    ids[row, : len(one.ids)] = torch.tensor(one.ids)
                    kinds[row, : len(one.ids)] = torch.tensor(one.type_ids)
                    mask[row, : len(one.ids)] = 1
                with torch.inference_mode():
                    hidden = model(input_ids=ids, token_type_ids=kinds, attention_mask=mask).last_hidden_state
                    found = torch.sigmoid(hidden[:, 0] @ weight.T + bias)[:, 0]
                for place, value in zip(places, found.tolist(), strict=True):
                    scores[place] = value
            return scores

    def load(self) -> None:
        """Loads the weights now instead of at the first use."""
        with self._lock:
            self._ready()

    def _ready(self) -> tuple[BertModel, torch.Tensor, torch.Tensor, Tokenizer]:
        if self._loaded is None:
            self._loaded = _load()
        return self._loaded


def _text(claim: Claim) -> str:
    return f"{claim.heading} | {claim.before[-BEFORE_CHARACTERS:]} | {claim.text[:TEXT_CHARACTERS]}"


def _load() -> tuple[BertModel, torch.Tensor, torch.Tensor, Tokenizer]:
    import logging

    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertModel
    from transformers.utils import logging as transformers_logging

    folder = SentenceTransformerEmbedder.from_package().folder
    try:
        change = load_file(WEIGHTS)
        before = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(logging.ERROR)
        model = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
        transformers_logging.set_verbosity(before)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EmbedderUnavailable(f"the judge cannot be loaded: {line}") from error
    model.eval()
    _merge(model, change)
    tokenizer.enable_truncation(MOST_TOKENS, strategy="only_second")
    tokenizer.no_padding()
    return model, change["head.weight"].float(), change["head.bias"].float(), tokenizer


def _merge(model: BertModel, change: dict[str, torch.Tensor]) -> None:
    """Adds each LoRA product B·A (out, r)·(r, in) to the weight it belongs to."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            stem = name.removesuffix(".weight")
            if f"{stem}.a" in change:
                parameter += change[f"{stem}.b"].float() @ change[f"{stem}.a"].float()
