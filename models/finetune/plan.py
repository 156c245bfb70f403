"""Which rows a run reads in which step.

Rule: recipe and rows alone decide it, so that a run that goes on reads what it would have read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from models.engine.llama import LoadError
from models.finetune.recipe import Recipe, RecipeError
from models.finetune.rows import Row
from models.finetune.tokens import Pack, Tokens, packs, token_rows


def packed(recipe: Recipe, rows: Sequence[Row]) -> list[Pack]:
    """The rows as the model reads them; those over the recipe's `most_tokens` are left out."""
    return fitting(recipe, read(recipe, rows))


def read(recipe: Recipe, rows: Sequence[Row]) -> list[Pack]:
    """All rows as the model reads them, however long; raises RecipeError for a base that is no model, and RowError."""
    try:
        tokens = Tokens(recipe.served)
    except LoadError as error:
        raise RecipeError(f"{recipe.served} is no model to train on: {error}") from error
    return packs(token_rows(tokens, rows), most_tokens=most_tokens(recipe))


def most_tokens(recipe: Recipe) -> int:
    """The longest that a pack may be."""
    return min(recipe.most_tokens, recipe.batch_tokens)


def fitting(recipe: Recipe, made: Sequence[Pack]) -> list[Pack]:
    """Those of the packs that the recipe has room for; raises RecipeError where it has none."""
    short = [pack for pack in made if len(pack) <= most_tokens(recipe)]
    if not short:
        raise RecipeError(f"no row fits into most_tokens = {recipe.most_tokens} and batch_tokens")
    return short


def epochs_of(recipe: Recipe, packs: Sequence[Pack]) -> list[list[list[Pack]]]:
    """The batches of each epoch: packs of nearly the same length together, in an order of chance."""
    epochs = []
    for epoch in range(recipe.epochs):
        chance = random.Random(recipe.seed * 1000 + epoch)  # noqa: S311 (an order, not a secret)
        ordered = sorted(packs, key=lambda pack: len(pack) + chance.randrange(48))
        batches: list[list[Pack]] = [[]]
        for pack in ordered:
            if room([*batches[-1], pack]) > recipe.batch_tokens:
                batches.append([])
            batches[-1].append(pack)
        chance.shuffle(batches)
        epochs.append(batches)
    return epochs


def room(packs: Sequence[Pack]) -> int:
    """The tokens of a batch of these with everything that fills it up."""
    return len(packs) * (max(len(p.prefix) for p in packs) + max(p.tail_tokens for p in packs))
