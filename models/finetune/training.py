"""Trains a LoRA as a recipe says: `python -m models.finetune.training RECIPE`, in a process of its own.

Rule: a run that is killed goes on at its last checkpoint as if nothing had happened; a loss that is no
number ends the run, and nothing of that step is kept.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from models.finetune import lora_model
from models.finetune.mask import Batch, batch, hidden_states
from models.finetune.recipe import Recipe, RecipeError
from models.finetune.rows import Row, RowError, audience_of, read_rows
from models.finetune.tokens import Pack, Tokens, packs

CHECKPOINT = "checkpoint.pt"
FINISHED = "lora.pt"
MOST_NORM = 1.0  # to which a gradient is cut


class TrainingError(RuntimeError):
    """The run cannot go on; one line that says why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a run's log. `loss` is the mean over the answer tokens of the step, `seconds` the time
    trained so far without interruptions, `left_s` about what is still to come."""

    step: int
    of: int
    epoch: int
    loss: float
    learning_rate: float
    tokens: int
    tokens_a_second: float
    seconds: float
    left_s: float


Say = Callable[[Progress], None]


def train(recipe: Recipe, say: Say, *, most_steps: int | None = None) -> Path:
    """Runs `recipe` to its end, or `most_steps` steps of it; the file of the LoRA or of the checkpoint.

    Raises RecipeError, RowError, lora_model.BaseError and TrainingError.
    """
    recipe.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    rows = [row for path in recipe.rows for row in read_rows(path)]
    plan = _plan(recipe, packed(recipe, rows))
    run = _Run(recipe, plan, _used(rows), audience_of(rows))
    run.resume()
    return run.go_on(say, most_steps)


def packed(recipe: Recipe, rows: Sequence[Row]) -> list[Pack]:
    """The rows as the model reads them; those over the recipe's `most_tokens` are left out."""
    tokens = Tokens(recipe.base)
    made = packs(tokens.row(row) for row in rows)
    short = [pack for pack in made if len(pack) <= min(recipe.most_tokens, recipe.batch_tokens)]
    if not short:
        raise RecipeError(f"no row fits into most_tokens = {recipe.most_tokens} and batch_tokens")
    return short


def _used(rows: Sequence[Row]) -> dict[str, str]:
    return dict(sorted({(row.origin, row.licence) for row in rows}))


def _plan(recipe: Recipe, packs: Sequence[Pack]) -> list[list[list[Pack]]]:
    """The batches of each epoch: packs of nearly the same length together, in an order of chance."""
    epochs = []
    for epoch in range(recipe.epochs):
        chance = random.Random(recipe.seed * 1000 + epoch)  # noqa: S311 (an order, not a secret)
        ordered = sorted(packs, key=lambda pack: len(pack) + chance.randrange(48))
        batches: list[list[Pack]] = [[]]
        for pack in ordered:
            if _room([*batches[-1], pack]) > recipe.batch_tokens:
                batches.append([])
            batches[-1].append(pack)
        chance.shuffle(batches)
        epochs.append(batches)
    return epochs


def _room(packs: Sequence[Pack]) -> int:
    """The tokens of a batch of these with everything that fills it up."""
    return len(packs) * (max(len(p.prefix) for p in packs) + max(p.tail_tokens for p in packs))


class _Run:
    """A run between its steps."""

    def __init__(
        self, recipe: Recipe, plan: list[list[list[Pack]]], used: dict[str, str], audience: str
    ) -> None:
        self._recipe = recipe
        self._plan = plan
        self._used = used
        self._audience = audience
        self._digest = recipe.digest()
        self._model = lora_model.load(recipe.base)
        self._trained = lora_model.add_lora(
            self._model, rank=recipe.rank, alpha=recipe.alpha, seed=recipe.seed
        )
        self._optimizer = torch.optim.AdamW(
            self._trained, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._step = 0
        self._seconds = 0.0
        self._tokens = 0

    @property
    def _steps(self) -> int:
        return sum(len(batches) for batches in self._plan)

    @property
    def _done(self) -> float:
        """The share of the run that is behind it, by steps or by time."""
        by_steps = self._step / self._steps
        minutes = self._recipe.minutes
        return by_steps if minutes is None else max(by_steps, self._seconds / (60 * minutes))

    def go_on(self, say: Say, most_steps: int | None) -> Path:
        recipe, model = self._recipe, self._model
        model.train()
        saved, began = time.monotonic(), self._step
        for epoch, apart, chosen in self._batches():
            started = time.monotonic()
            if self._done >= 1:
                break
            if most_steps is not None and self._step - began >= most_steps:
                return self._save(CHECKPOINT)
            rate = self._rate()
            loss = self._learn(batch(chosen, apart=apart), rate)
            count = sum(map(len, chosen))
            self._step += 1
            self._tokens += count
            spent = time.monotonic() - started
            self._seconds += spent
            say(
                Progress(
                    step=self._step,
                    of=self._steps,
                    epoch=epoch,
                    loss=round(loss, 4),
                    learning_rate=rate,
                    tokens=self._tokens,
                    tokens_a_second=round(count / spent, 1),
                    seconds=round(self._seconds, 1),
                    left_s=round(self._seconds * (1 / max(self._done, 1e-6) - 1), 1),
                )
            )
            if time.monotonic() - saved > recipe.checkpoint_s:
                self._save(CHECKPOINT)
                saved = time.monotonic()
        return self._save(FINISHED)

    def _batches(self) -> Iterator[tuple[int, bool, list[Pack]]]:
        """The batches from the present step on, each with its epoch and whether it is read apart."""
        every = [(epoch, chosen) for epoch, batches in enumerate(self._plan) for chosen in batches]
        for number, (epoch, chosen) in enumerate(every):
            chance = random.Random(f"{self._recipe.seed} {number}")  # noqa: S311 (an order, not a secret)
            if number >= self._step:
                yield epoch, chance.random() < self._recipe.apart, chosen

    def _rate(self) -> float:
        warmup = self._recipe.warmup
        rising = min(1.0, (self._step + 1) / max(1.0, warmup * self._steps))
        falling = min(1.0, (1 - self._done) / (1 - warmup))
        return self._recipe.learning_rate * min(rising, falling)

    def _learn(self, batch: Batch, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        logits = self._model.lm_head(hidden_states(self._model, batch))
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.targets)
        value = float(loss.item())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss of step {self._step + 1} is {value}: lower the learning rate and start again"
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._trained, MOST_NORM)
        if not math.isfinite(norm.item()):
            raise TrainingError(
                f"the gradient of step {self._step + 1} is no number; lower the learning rate"
            )
        self._optimizer.step()
        return value

    def resume(self) -> None:
        """Goes back to the checkpoint of the recipe's folder, if there is one of this recipe and these rows."""
        path = self._recipe.out / CHECKPOINT
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True)
            if state["digest"] != self._digest:
                raise TrainingError(
                    f"{path} belongs to another recipe or other rows; choose another folder or remove it"
                )
            lora_model.set_lora_state(self._model, state["lora"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._step, self._seconds, self._tokens = state["step"], state["seconds"], state["tokens"]
        except TrainingError:
            raise
        except Exception as error:  # a file cut short fails in as many ways as a pickle can
            raise TrainingError(f"{path} is damaged; remove it to start again") from error

    def _save(self, name: str) -> Path:
        recipe = self._recipe
        state: dict[str, Any] = {
            "digest": self._digest,
            "lora": lora_model.lora_state(self._model),
            "rank": recipe.rank,
            "alpha": recipe.alpha,
            "used": self._used,
            "audience": self._audience,
            "step": self._step,
            "seconds": self._seconds,
            "tokens": self._tokens,
        }
        if name == CHECKPOINT:
            state["optimizer"] = self._optimizer.state_dict()
        path = recipe.out / name
        part = path.with_name(f"{name}.part")
        torch.save(state, part)
        part.replace(path)
        return path


def main(arguments: Sequence[str]) -> int:
    """One JSON object a line on standard output; one line on standard error and 1 where it fails."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m models.finetune.training RECIPE\n")
        return 2

    def say(progress: Progress) -> None:
        sys.stdout.write(json.dumps(asdict(progress)) + "\n")
        sys.stdout.flush()

    try:
        path = train(Recipe.from_file(Path(arguments[0])), say)
    except (RecipeError, RowError, lora_model.BaseError, TrainingError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"saved": str(path)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
