"""Who sees whom in training: as the engine reads, with passages apart and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.engine.engine import Engine
from models.engine.settings import EnginePlan
from models.engine.wire import Generate
from models.finetune import base
from models.finetune.mask import batch, hidden_states
from models.finetune.tokens import Pack, Tokens, packs
from models.weights import bundled_path
from tests.test_models_finetune_tokens import row

PASSAGES = [
    "The workshop on Harbour Street opens at seven and closes at four. On Fridays it closes at one.",
    "Bicycles are lent for three days. A deposit of 40 euros is taken and given back.",
    "Members pay nothing for repairs below 25 euros.",
]


@pytest.fixture(scope="module")
def path() -> Path:
    found = bundled_path()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def model(path: Path) -> Any:
    return base.load(path).eval()


@pytest.fixture(scope="module")
def tokens(path: Path) -> Tokens:
    return Tokens(path)


@pytest.fixture(scope="module")
def pack(tokens: Tokens) -> Pack:
    rows = [
        row(PASSAGES, "When does the workshop close on Fridays?", "At one [1]."),
        row(PASSAGES, "What is the deposit?", "40 euros [2]."),
    ]
    (one,) = packs(tokens.row(each) for each in rows)
    return one


def logits(model: Any, made: list[Pack], *, apart: bool) -> torch.Tensor:
    with torch.inference_mode():
        return model.lm_head(hidden_states(model, batch(made, apart=apart)))


def test_a_pack_read_whole_gives_the_logits_of_its_rows_read_alone(model: Any, pack: Pack) -> None:
    together = logits(model, [pack], apart=False)
    alone = []
    for tail in pack.tails:
        ids = torch.tensor([[*pack.prefix, *tail.tokens]])
        model.set_attn_implementation("sdpa")
        with torch.inference_mode():
            every = model(input_ids=ids, use_cache=False).logits[0]
        alone.append(every[len(pack.prefix) + tail.answer - 1 : -1])
    assert torch.allclose(together, torch.cat(alone), atol=2e-3)


@pytest.mark.parametrize("apart", [True, False])
def test_what_fills_a_batch_up_changes_nothing(model: Any, pack: Pack, tokens: Tokens, apart: bool) -> None:
    (short,) = packs([tokens.row(row(PASSAGES[:1], "Open?", "At seven [1]."))])
    together = logits(model, [short, pack], apart=apart)
    alone = [logits(model, [one], apart=apart) for one in (short, pack)]
    assert torch.allclose(together, torch.cat(alone), atol=2e-3)


def test_read_apart_a_passage_knows_nothing_of_the_others(model: Any, pack: Pack) -> None:
    """The keys that a tail sees of the third passage are the same whatever the first one says, so only
    the tail's direct view of the first can change the answer: hide that, and nothing changes."""
    start, end = pack.blocks[1]
    other = replace(
        pack, prefix=(*pack.prefix[:start], *reversed(pack.prefix[start:end]), *pack.prefix[end:])
    )
    found = []
    for one in (pack, other):
        made = batch([one], apart=True)
        made.tail_mask[..., start:end] = False
        with torch.inference_mode():
            found.append(model.lm_head(hidden_states(model, made)))
    assert torch.allclose(found[0], found[1], atol=1e-3)
    whole = []
    for one in (pack, other):
        made = batch([one], apart=False)
        made.tail_mask[..., start:end] = False
        with torch.inference_mode():
            whole.append(model.lm_head(hidden_states(model, made)))
    assert not torch.allclose(whole[0], whole[1], atol=1e-1)


def test_read_apart_the_first_answer_token_is_the_passage_caches(
    model: Any, path: Path, pack: Pack, tokens: Tokens
) -> None:
    """The engine with its passage cache and the training agree on the likeliest first token, and each of
    the two ways of reading is nearer to its own counterpart than to the other."""
    asked = row(PASSAGES, "When does the workshop close on Fridays?", "x")
    (one,) = packs([tokens.row(asked)])
    here = {apart: logits(model, [one], apart=apart)[0].numpy() for apart in (True, False)}
    there = {apart: _first_logits(path, asked.turns, apart=apart) for apart in (True, False)}
    for apart in (True, False):
        own = float(np.abs(_centred(here[apart]) - _centred(there[apart])).mean())
        crossed = float(np.abs(_centred(here[apart]) - _centred(there[not apart])).mean())
        assert own < 0.6 * crossed, (apart, own, crossed)


def _centred(values: Any) -> Any:
    return values - values.mean()


def _first_logits(path: Path, turns: Any, *, apart: bool) -> Any:
    """What the engine thinks after the prompt, taken where its own chooser would look."""
    plan = EnginePlan(
        path=str(path),
        context_tokens=1024,
        threads=1,
        gpu_layers=0,
        kv_type="f16",
        flash_attention="auto",
        batch_tokens=512,
        repack=False,
        parallel=1,
        kv_tokens=2048,
        passage_cache=apart,
        passage_memory_mb=64,
    )
    engine = Engine(plan, alive=lambda: None)
    batching = engine._contexts[None]
    seen: list[Any] = []
    context = batching._context
    read = context.read

    def noting(rows: Any, *, stop: Any = None) -> None:
        read(rows, stop=stop)
        for place, one in enumerate(rows):
            if one.wanted and not seen:
                seen.append(context.logits(place).copy())

    context.read = noting  # type: ignore[method-assign]
    engine.add(Generate(1, tuple(turns), 1), _Patient())
    while engine.busy:
        engine.step()
    return seen[0]


class _Patient:
    def verdict(self) -> None:
        return None
