"""Trains a LoRA as a recipe says: `python -m models.finetune.training RECIPE`, in a process of its own.

Rule: a run that is killed goes on at its last checkpoint as if nothing had happened; a loss that is no
number ends the run, and nothing of that step is kept.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from models.finetune import lora_model
from models.finetune.layout import ExportError, Place, places
from models.finetune.lineage import library_versions
from models.finetune.mask import Batch, batch, hidden_states
from models.finetune.plan import epochs_of, packed
from models.finetune.progress import Progress, add_progress, forget_progress
from models.finetune.recipe import Recipe, RecipeError
from models.finetune.rows import Row, RowError, audience_of, joined_audiences, read_rows
from models.finetune.start import read_start
from models.finetune.tokens import Pack
from models.processor import fastest_dtype
from models.training_process import RunFailed, alone_in
from models.weights import sha256_of

TIDY_STEPS = 16
CHECKPOINT = "checkpoint.pt"
FINISHED = "lora.pt"
MOST_NORM = 1.0  # to which a gradient is cut
RECENT = 20  # steps whose time tells that of the steps to come


class TrainingError(RuntimeError):
    """The run cannot go on; one line that says why."""


Say = Callable[[Progress], None]


def train(recipe: Recipe, say: Say, *, most_steps: int | None = None) -> Path:
    """Runs `recipe` to its end, or `most_steps` steps of it; the file of the LoRA or of the checkpoint.

    Raises RecipeError, RowError, lora_model.BaseError, ExportError, TrainingError and RunFailed.
    """
    torch.set_num_threads(recipe.threads)
    rows = [row for path in recipe.rows for row in read_rows(path)]
    run = Run(recipe, epochs_of(recipe, packed(recipe, rows)), rows)
    with alone_in(recipe.out):
        run.resume()
        return run.go_on(say, most_steps)


def used_of(rows: Sequence[Row]) -> dict[str, str]:
    """The data sets of the rows, each with its licence, or with all of them where files of one name differ."""
    return joined((row.origin, row.licence) for row in rows)


def joined(used: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each data set once, with every licence that it was used under."""
    licences: dict[str, list[str]] = {}
    for origin, licence in sorted(set(used)):
        licences.setdefault(origin, []).append(licence)
    return {origin: "; ".join(found) for origin, found in licences.items()}


class Run:
    """A run between its steps. Making one refuses a base that a LoRA could not be exported for."""

    def __init__(self, recipe: Recipe, plan: list[list[list[Pack]]], rows: Sequence[Row]) -> None:
        self._recipe = recipe
        self._plan = plan
        self._used = used_of(rows)
        self._audience = audience_of(rows)
        self._digest = recipe.digest()
        self._model = lora_model.load(recipe.base)
        self._lineage = _lineage(recipe, self._model)
        self.trained = lora_model.add_lora(
            self._model,
            rank=recipe.rank,
            alpha=recipe.alpha,
            seed=recipe.seed,
            dtype=fastest_dtype(),
        )
        self._begin()
        self._optimizer = torch.optim.AdamW(
            self.trained, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._step = 0
        self._seconds = 0.0
        self._tokens = 0
        self._recent: deque[float] = deque(maxlen=RECENT)

    @property
    def steps(self) -> int:
        """How many the run has from its beginning to its end."""
        return sum(len(batches) for batches in self._plan)

    @property
    def _done(self) -> float:
        """The share of the run that is behind it, by steps or by time."""
        by_steps = self._step / self.steps
        minutes = self._recipe.minutes
        return by_steps if minutes is None else max(by_steps, self._seconds / (60 * minutes))

    def _begin(self) -> None:
        """With the recipe's `start`, if it has one: in the model, and in what is told of the data."""
        recipe = self._recipe
        if recipe.start is None:
            return
        where = {key: Place(*place) for key, place in self._lineage["places"].items()}
        start = read_start(
            recipe.start,
            recipe.served,
            where,
            base_sha256=self._lineage["base"],
            rank=recipe.rank,
            alpha=recipe.alpha,
        )
        lora_model.set_lora_state(self._model, start.pairs)
        self._used = joined([*start.used.items(), *self._used.items()])
        self._audience = joined_audiences([start.audience, self._audience])

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
            loss = self.learn(batch(chosen, apart=apart), rate)
            count = sum(map(len, chosen))
            self._step += 1
            self._tokens += count
            spent = time.monotonic() - started
            self._seconds += spent
            self._recent.append(spent)
            self._tell(
                say,
                Progress(
                    step=self._step,
                    of=self.steps,
                    epoch=epoch,
                    loss=round(loss, 4),
                    learning_rate=rate,
                    tokens=self._tokens,
                    tokens_a_second=round(count / spent, 1),
                    seconds=round(self._seconds, 1),
                    left_s=round(self._left_s(), 1),
                ),
            )
            if self._step % TIDY_STEPS == 0:
                _give_back()
            if time.monotonic() - saved > recipe.checkpoint_s:
                self._save(CHECKPOINT)
                saved = time.monotonic()
        return self._save(FINISHED)

    def _left_s(self) -> float:
        """The steps to come at the recent steps' pace, or what is left of the run's time if that is less."""
        by_steps = (self.steps - self._step) * sum(self._recent) / len(self._recent)
        minutes = self._recipe.minutes
        return by_steps if minutes is None else max(0.0, min(by_steps, 60 * minutes - self._seconds))

    def _tell(self, say: Say, progress: Progress) -> None:
        add_progress(self._recipe.out, progress)
        say(progress)

    def _batches(self) -> Iterator[tuple[int, bool, list[Pack]]]:
        """The batches from the present step on, each with its epoch and whether it is read apart."""
        every = [(epoch, chosen) for epoch, batches in enumerate(self._plan) for chosen in batches]
        for number, (epoch, chosen) in enumerate(every):
            chance = random.Random(f"{self._recipe.seed} {number}")  # noqa: S311 (an order, not a secret)
            if number >= self._step:
                yield epoch, chance.random() < self._recipe.apart, chosen

    def _rate(self) -> float:
        warmup = self._recipe.warmup
        rising = min(1.0, (self._step + 1) / max(1.0, warmup * self.steps))
        falling = min(1.0, (1 - self._done) / (1 - warmup))
        return self._recipe.learning_rate * min(rising, falling)

    def learn(self, batch: Batch, rate: float) -> float:
        """One step at the learning rate `rate`; its mean loss. Raises TrainingError where it is no number."""
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
        norm = torch.nn.utils.clip_grad_norm_(self.trained, MOST_NORM)
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
            forget_progress(self._recipe.out)
            return
        try:
            state = torch.load(path, weights_only=True)
            if state["digest"] != self._digest:
                raise TrainingError(
                    f"{path} belongs to another recipe or other rows; choose another folder or remove it"
                )
            for key in ("base", "folder"):
                if state.get(key) not in (None, self._lineage[key]):
                    raise TrainingError(
                        f"{path} was trained on another base than {self._recipe.base.name}, whose bytes have the "
                        f"sha256 {state[key][:12]}…; bring that one back, or choose another folder"
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
            **self._lineage,
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
        try:
            torch.save(state, part)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(path)
        except (OSError, RuntimeError) as error:  # torch tells of a full disk as it tells of everything
            part.unlink(missing_ok=True)
            raise TrainingError(
                f"{path} cannot be written, is the disk full? Make room and run it again: it goes on at its last "
                "checkpoint"
            ) from error
        return path


def _lineage(recipe: Recipe, model: Any) -> dict[str, Any]:
    """What the files of a run say of its base, its rows and its making; raises ExportError for a base in whose
    own file the LoRA would have no place."""
    keys = lora_model.projections(model)
    where = places(recipe.served, model.state_dict(), keys, exactly=recipe.gguf is None)
    return {
        "base": sha256_of(recipe.served),
        "folder": None if recipe.gguf is None else lora_model.sha256_of_folder(recipe.base),
        "places": {key: (place.tensor, place.heads) for key, place in where.items()},
        "rows": {path.name: sha256_of(path) for path in recipe.rows},
        "start": None if recipe.start is None else sha256_of(recipe.start),
        "settings": recipe.settings(),
        "versions": library_versions(),
    }


REFUSALS = (RecipeError, RowError, lora_model.BaseError, ExportError, TrainingError, RunFailed, OSError)


def _give_back() -> None:
    """Lets the system have the free memory that lies between tensors still in use; an hour's run had kept 11 GB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)


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
    except REFUSALS as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"saved": str(path)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
