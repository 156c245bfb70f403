"""What a recipe will take, from three real steps: `python -m models.finetune.forecast RECIPE`.

Rule: everything that would end the run is met here first, and nothing is written to the recipe's folder.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.finetune.mask import batch
from models.finetune.plan import epochs_of, fitting, most_tokens, read, room
from models.finetune.recipe import Recipe
from models.finetune.rows import read_rows
from models.finetune.tokens import Pack
from models.finetune.training import REFUSALS, Run

STEPS = 3


@dataclass(frozen=True, slots=True)
class Forecast:
    """`left_out` of the `rows` are too long, `longest` is the longest row in tokens; none is ever cut off.

    `tokens` are those of all `steps`, without what fills batches up. `step_s` and `tokens_a_second` are means
    of the measured steps, `total_s` the whole run at that pace, `ends_s` the same under the recipe's
    `minutes`. `peak_bytes` is the most memory the process had, with the largest batch among the measured.
    """

    rows: int
    left_out: int
    longest: int
    most_tokens: int
    steps: int
    tokens: int
    measured_steps: int
    step_s: float
    tokens_a_second: float
    total_s: float
    minutes: float | None
    ends_s: float
    peak_bytes: int
    checkpoint_bytes: int
    lora_bytes: int


def forecast(recipe: Recipe, say: Callable[[int, int], None]) -> Forecast:
    """Trains `STEPS` steps on the recipe's own rows and keeps nothing of it.

    Raises what `training.train` raises.
    """
    torch.set_num_threads(recipe.threads)
    rows = [row for path in recipe.rows for row in read_rows(path)]
    made = read(recipe, rows)
    short = fitting(recipe, made)
    batches = [one for epoch in epochs_of(recipe, short) for one in epoch]
    run = Run(recipe, [batches], rows)
    chosen = _chosen(batches)
    spent = []
    for number, one in enumerate(chosen):
        say(number, len(chosen))
        began = time.monotonic()
        run.learn(batch(one, apart=recipe.apart >= 0.5), recipe.learning_rate * 1e-3)
        spent.append(time.monotonic() - began)
    total_s = sum(spent) * sum(map(room, batches)) / sum(map(room, chosen))
    values = sum(parameter.numel() for parameter in run.trained)
    return Forecast(
        rows=len(rows),
        left_out=len(rows) - sum(len(pack.tails) for pack in short),
        longest=max(len(pack.prefix) + len(tail.tokens) for pack in made for tail in pack.tails),
        most_tokens=most_tokens(recipe),
        steps=len(batches),
        tokens=sum(len(pack) for one in batches for pack in one),
        measured_steps=len(spent),
        step_s=round(sum(spent) / len(spent), 2),
        tokens_a_second=round(sum(len(pack) for one in chosen for pack in one) / sum(spent), 1),
        total_s=round(total_s, 3),
        minutes=recipe.minutes,
        ends_s=round(min(total_s, 60 * (recipe.minutes or float("inf"))), 3),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        checkpoint_bytes=3 * 4 * values,  # the LoRA and the optimizer's two moments, in float32
        lora_bytes=2 * values,
    )


def _chosen(batches: Sequence[list[Pack]]) -> list[list[Pack]]:
    """The largest batch, which decides the memory, and others of the middle sizes."""
    ordered = sorted(batches, key=room)
    places = {len(ordered) - 1, len(ordered) // 2, len(ordered) // 3}
    return [ordered[place] for place in sorted(places, reverse=True)][:STEPS]


def main(arguments: Sequence[str]) -> int:
    """A JSON object for each measured step and one for the forecast; one line on standard error and 1 where the
    run could not be."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m models.finetune.forecast RECIPE\n")
        return 2

    def say(done: int, of: int) -> None:
        sys.stdout.write(json.dumps({"measured": done, "of": of}) + "\n")
        sys.stdout.flush()

    try:
        found = forecast(Recipe.from_file(Path(arguments[0])), say)
    except REFUSALS as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
