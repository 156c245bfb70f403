"""Who sees whom in training: as the engine reads, with passages apart and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.engine.context import Context, Row
from models.engine.llama import Llama
from models.engine.settings import EnginePlan
from models.finetune import lora_model
from models.finetune.mask import batch, hidden_states
from models.finetune.tokens import Pack, Tokens, packs
from tests.test_models_finetune_tokens import row
from tests.tiny_base import write_tiny_base

PASSAGES = [
    "The workshop on Harbour Street opens at seven and closes at four. On Fridays it closes at one.",
    "Bicycles are lent for three days. A deposit of 40 euros is taken and given back.",
    "Members pay nothing for repairs below 25 euros.",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("mask") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path: Path) -> Any:
    return lora_model.load(path).eval()


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


def test_read_apart_every_logit_is_that_of_the_engines_way_with_passages(
    model: Any, path: Path, pack: Pack
) -> None:
    """The engine's way, step by step on its own memory: each block behind a copy of the head, the head
    dropped, the block moved to its place. Reading whole gives something else, so the test can tell."""
    apart, whole = (logits(model, [pack], apart=apart).numpy() for apart in (True, False))
    served = np.concatenate([_read_as_the_engine(path, pack, number) for number in range(len(pack.tails))])
    assert np.abs(apart - served).mean() < 0.02 * np.abs(whole - served).mean()


def _read_as_the_engine(path: Path, pack: Pack, number: int) -> Any:
    context = Context(Llama(_plan(path), progress=lambda: None), sequences=3, shared=True)

    def read(tokens: Sequence[int], place: int, sequence: int, wanted: int = 0) -> None:
        first = len(tokens) - wanted
        context.read([Row(t, place + i, sequence, i >= first) for i, t in enumerate(tokens)])

    head = pack.prefix[: pack.head]
    read(head, 0, 0)
    state, states = context.state(0), []
    for start, end in pack.blocks:
        assert context.restore(1, state)
        read(pack.prefix[start:end], pack.head, 1)
        context.drop(1, 0, pack.head)
        states.append(context.state(1))
        context.drop(1)
    place = pack.blocks[0][0]
    read(pack.prefix[pack.head : place], pack.head, 0)
    for (start, end), block in zip(pack.blocks, states, strict=True):
        assert context.restore(2, block)
        context.move(2, start - pack.head)
        context.copy(2, 0)
        context.drop(2)
        place += end - start
    tail = pack.tails[number]
    count = len(tail.tokens) - tail.answer
    read(tail.tokens[:-1], place, 0, wanted=count)
    found = [context.logits(len(tail.tokens) - 1 - count + row).copy() for row in range(count)]
    context.close()
    return np.stack(found)


def _plan(path: Path) -> EnginePlan:
    return EnginePlan(
        path=str(path),
        context_tokens=2048,
        threads=1,
        gpu_layers=0,
        kv_type="f16",
        flash_attention="auto",
        batch_tokens=1024,
        repack=False,
        kv_tokens=4096,
    )
