"""Trains a judge from the embedding model's weights; run apart: `python -m models.judge.training RECIPE`.

Rule: killed at any point it goes on from its last checkpoint, and it ends when its time is over.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from models.errors import EmbedderUnavailable
from models.judge.file import BASE_KEY, Base, base_of, save_weights, trained_weights, weights_sha256
from models.judge.network import HEADS, read, tensors
from models.judge.pairs import Pair, PairTokens
from models.processor import fastest_dtype
from models.training_process import RunFailed, alone_in

IGNORED = -100
STEP_TOKENS = 16
LONGEST_STEP_S = 60.0
"""What counts of a step that took longer: a machine that slept, or a process that was halted, worked nothing."""
_HEAD_RATE = 5.0
_KINDS: Mapping[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}
_LEAST = {"epochs": 1e-6, "minutes": 1e-6, "batch_tokens": 1, "threads": 1, "report_steps": 1}
_BELOW_ONE = ("warm_up", "dropout")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained from what. Paths are as the file writes them; `rows` holds a JSON object a line with
    `question`, `passage`, `answers`, `supports` (0, 1 or null), `begin`, `end` (characters or -1).

    With `start` it goes on from the weights of another judge. `dropout` is left out of each layer while learning. Training ends after `epochs` or `minutes` of work,
    whichever comes first; the rate rises over the first `warm_up` and falls to nothing at the end, as time
    goes. A step reads about `batch_tokens`.
    """

    base: str
    rows: str
    out: str
    start: str = ""
    epochs: float = 2.0
    minutes: float = 60.0
    batch_tokens: int = 4096
    rate: float = 1.5e-4
    warm_up: float = 0.04
    decay: float = 0.01
    dropout: float = 0.1
    span_share: float = 0.5
    seed: int = 7
    threads: int = 1
    checkpoint_minutes: float = 3.0
    report_steps: int = 50

    @classmethod
    def from_file(cls, file: Path) -> Recipe:
        """The recipe in a TOML file; raises `ValueError` in one line when it is none, or a key is unknown or missing."""
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file} is no recipe: {error}") from None
        names = [one.name for one in fields(cls)]
        for name in table:
            if name not in names:
                raise ValueError(f"{file} has {name!r}, which no recipe has; known are {', '.join(names)}")
        for name in ("base", "rows", "out"):
            if not isinstance(table.get(name), str):
                raise ValueError(f"{file} does not name its {name!r}")
        for one in fields(cls):
            if (wrong := _wrong(one.name, str(one.type), table.get(one.name, one.default))) is not None:
                raise ValueError(f"{file}: {one.name} {wrong}")
        return cls(**table)

    def digest(self) -> str:
        """Changes with whatever a run that is resumed must share with the one that was ended, which may have had
        another end, and its files elsewhere."""
        later = {"base", "rows", "out", "start", "epochs", "minutes", "threads"}
        later |= {"checkpoint_minutes", "report_steps"}
        values = sorted((one.name, getattr(self, one.name)) for one in fields(self) if one.name not in later)
        digest = hashlib.sha256(repr((values, weights_sha256(Path(self.base)))).encode())
        for path in (self.rows, *([self.start] if self.start else [])):
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Example:
    """A pair with its labels; `begin` and `end` are tokens, 0 where the passage has no answer."""

    pair: Pair
    rows: tuple[int, ...]
    begin: int
    end: int


@dataclass(slots=True)
class _State:
    """Where training stands: what a checkpoint keeps."""

    weights: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    base_sha256: str
    digest: str
    step: int = 0
    batches: int = 0
    seconds: float = 0.0


def _wrong(name: str, kind: str, value: object) -> str | None:
    """What is wrong with the value of a recipe's key, as a sentence goes on behind its name."""
    if isinstance(value, bool) or not isinstance(value, _KINDS[kind]):
        return f"must be {'a text' if kind == 'str' else 'a number'}, not {value!r}"
    if not isinstance(value, int | float):
        return None
    least = _LEAST.get(name, 0)
    if not least <= value:
        return f"must be {'above 0' if least else '0 at least'}, not {value!r}"
    return f"must be below 1, not {value!r}" if name in _BELOW_ONE and value >= 1 else None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def train(recipe: Recipe, *, say: Callable[[str], None] = _say) -> Path:
    """Trains as `recipe` says, from its last checkpoint where there is one; gives the file of the weights.

    Raises `ValueError` when there is nothing to learn from, or the checkpoint is damaged or of other rows;
    `ArithmeticError` when the loss is no number, `OSError` when the checkpoint cannot be written, `RunFailed` while
    another run writes to its folder.
    """
    torch.set_num_threads(recipe.threads)
    with alone_in(Path(recipe.out)):
        return _train(recipe, say)


def _train(recipe: Recipe, say: Callable[[str], None]) -> Path:
    out = Path(recipe.out)
    base = base_of(Path(recipe.base), dtype=fastest_dtype())
    examples = load_examples(Path(recipe.rows), PairTokens(Path(recipe.base)))
    if not examples:
        raise ValueError(f"{recipe.rows} holds no rows to learn from")
    state = _state(recipe, base, out / "checkpoint.pt")
    whole = sum(len(example.pair.ids) for example in examples) * recipe.epochs
    total = max(1, round(whole / recipe.batch_tokens))
    say(f"{len(examples)} rows, about {total} steps, step {state.step} to begin with")
    saved = time.monotonic()
    losses = _Mean()
    for batch in _batches(examples, recipe, skip=state.batches):
        share = max(state.step / total, state.seconds / 60 / recipe.minutes)
        if share >= 1:
            break
        began = time.monotonic()
        losses.add(_step(state, base, batch, recipe, _rate(share, recipe)))
        state.step, state.batches = state.step + 1, state.batches + 1
        state.seconds += min(time.monotonic() - began, LONGEST_STEP_S)
        if state.step % recipe.report_steps == 0:
            say(f"step {state.step} of {total}, {state.seconds / 60:.1f} min, loss {losses.take():.4f}")
        if time.monotonic() - saved > recipe.checkpoint_minutes * 60:
            _save(state, out)
            saved = time.monotonic()
    _save(state, out)
    say(f"done: {state.step} steps in {state.seconds / 60:.1f} min")
    return out / "judge.safetensors"


def load_examples(file: Path, tokens: PairTokens) -> list[Example]:
    """The rows of `file` as numbers; raises `ValueError` naming the first line that is none."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 at byte {error.start:,}") from None
    rows = [_row(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    pairs = tokens.pairs([str(row["question"]) for row in rows], [str(row["passage"]) for row in rows])
    return [_example(row, pair) for row, pair in zip(rows, pairs, strict=True)]


def _row(file: Path, number: int, line: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
        texts = isinstance(row["question"], str) and isinstance(row["passage"], str)
        labels = all(repr(row.get(head)) in ("None", "0", "1") for head in HEADS)
        places = all(isinstance(row.get(name, -1), int) for name in ("begin", "end"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} line {number} is no row: {error}") from None
    if not (texts and labels and places):
        raise ValueError(f"{file} line {number} is no row: a text or a label in it is of another kind")
    found: Mapping[str, object] = row
    return found


def _example(row: Mapping[str, object], pair: Pair) -> Example:
    labels = tuple(IGNORED if row.get(head) is None else int(str(row[head])) for head in HEADS)
    first, last = int(str(row.get("begin", -1))), int(str(row.get("end", -1)))
    inside = [
        place
        for place, (low, high) in enumerate(pair.offsets, pair.passage_from)
        if low < last and high > first
    ]
    if labels[0] == 0:
        return Example(pair, labels, 0, 0)
    if labels[0] != 1 or first < 0 or not inside:
        return Example(pair, labels, IGNORED, IGNORED)
    return Example(pair, labels, inside[0], inside[-1])


def _batches(examples: Sequence[Example], recipe: Recipe, *, skip: int) -> Iterator[list[Example]]:
    """Endless batches of rows of about the same length, the same for the same seed.

    A length is rounded up to a whole number of `STEP_TOKENS`, and all batches of a length have as many rows:
    what the processor prepares for a shape takes longer than the step, and there are few shapes this way.
    """
    choice = random.Random(recipe.seed)  # noqa: S311 (an order, not a secret)
    waiting: dict[int, list[Example]] = {}
    while True:
        for place in choice.sample(range(len(examples)), len(examples)):
            length = -(-len(examples[place].pair.ids) // STEP_TOKENS) * STEP_TOKENS
            batch = waiting.setdefault(length, [])
            batch.append(examples[place])
            if len(batch) * length + length > recipe.batch_tokens:
                del waiting[length]
                skip -= 1
                if skip < 0:
                    yield batch


def _step(state: _State, base: Base, batch: Sequence[Example], recipe: Recipe, rate: float) -> float:
    """One step with the precision of the base's frozen weights, the others themselves kept and moved in float32.
    What it leaves out is the same whether it was killed before or not."""
    torch.manual_seed(recipe.seed + state.step)
    live = {
        name: weight.detach().to(base.dtype, copy=True).requires_grad_()
        for name, weight in state.weights.items()
    }
    ids, kinds, there = tensors([example.pair for example in batch], multiple=STEP_TOKENS)
    reading = read({**base.frozen, **live}, ids, kinds, there, dropout=recipe.dropout)
    loss = _loss(reading.rows, reading.span, batch, recipe.span_share)
    if not bool(torch.isfinite(loss)):
        raise ArithmeticError(f"the loss is {loss.item()} at step {state.step}: lower `rate`")
    loss.backward()
    for name, weight in state.weights.items():
        grad = live[name].grad
        weight.grad = None if grad is None else grad.float()
    torch.nn.utils.clip_grad_norm_(list(state.weights.values()), 1.0)
    for group in state.optimizer.param_groups:
        group["lr"] = rate * group["share"]
    state.optimizer.step()
    return float(loss.detach())


def _loss(rows: Tensor, span: Tensor, batch: Sequence[Example], share: float) -> Tensor:
    labels = torch.tensor([example.rows for example in batch])
    asked = labels != IGNORED
    judged = functional.binary_cross_entropy_with_logits(rows[asked], labels[asked].float())
    places = torch.tensor([(example.begin, example.end) for example in batch])
    if not bool((places != IGNORED).any()):
        return judged
    found = functional.cross_entropy(span.transpose(1, 2).reshape(-1, span.shape[1]), places.reshape(-1))
    return judged + share * found


def _rate(share: float, recipe: Recipe) -> float:
    return recipe.rate * min(
        share / recipe.warm_up if recipe.warm_up else 1.0, (1 - share) / (1 - recipe.warm_up)
    )


def _state(recipe: Recipe, base: Base, checkpoint: Path) -> _State:
    torch.manual_seed(recipe.seed)
    begin = trained_weights(Path(recipe.start)) if recipe.start else base.trained
    weights = {name: weight.float().requires_grad_() for name, weight in begin.items()}
    heads = [weight for name, weight in weights.items() if name.startswith("head.")]
    others = [weight for name, weight in weights.items() if not name.startswith("head.")]
    optimizer = torch.optim.AdamW(
        [{"params": others, "share": 1.0}, {"params": heads, "share": _HEAD_RATE}],
        lr=recipe.rate,
        weight_decay=recipe.decay,
        fused=True,
    )
    state = _State(weights, optimizer, weights_sha256(Path(recipe.base)), recipe.digest())
    if checkpoint.is_file():
        _resume(state, checkpoint)
    return state


def _resume(state: _State, checkpoint: Path) -> None:
    try:
        kept = torch.load(checkpoint, weights_only=True)
        same = kept.get("digest", state.digest) == state.digest
        with torch.no_grad():
            for name, weight in state.weights.items() if same else ():
                weight.copy_(kept["weights"][name])
        if same:
            state.optimizer.load_state_dict(kept["optimizer"])
            state.step, state.batches, state.seconds = kept["step"], kept["batches"], kept["seconds"]
    except Exception as error:  # a file cut short fails in as many ways as a pickle can
        raise ValueError(f"{checkpoint} is damaged; remove it to start again") from error
    if not same:
        raise ValueError(
            f"{checkpoint} belongs to another recipe, another base or other rows; choose another `out` or remove it"
        )


def _save(state: _State, out: Path) -> None:
    weights = {name: weight.detach() for name, weight in state.weights.items()}
    kept = {
        "digest": state.digest,
        "weights": weights,
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "batches": state.batches,
        "seconds": state.seconds,
    }
    fresh = out / "checkpoint.pt.new"
    try:
        torch.save(kept, fresh)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
        fresh.replace(out / "checkpoint.pt")
    except (OSError, RuntimeError) as error:  # torch tells of a full disk as it tells of everything
        fresh.unlink(missing_ok=True)
        raise OSError(
            f"{out / 'checkpoint.pt'} cannot be written, is the disk full? Make room and run it again: it goes on at "
            "its last checkpoint"
        ) from error
    save_weights(out / "judge.safetensors", weights, note={BASE_KEY: state.base_sha256})


class _Mean:
    """The mean since it was last taken."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._sum, self._count = self._sum + value, self._count + 1

    def take(self) -> float:
        mean = self._sum / max(1, self._count)
        self._sum, self._count = 0.0, 0
        return mean


def main(file: Path) -> int:
    """Runs the recipe in `file`; one line on standard error and 1 where it fails."""
    try:
        train(Recipe.from_file(file))
    except (ValueError, ArithmeticError, OSError, EmbedderUnavailable, RunFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
