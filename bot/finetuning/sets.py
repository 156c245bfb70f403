"""The sets of questions that rows are made of, read from their files.

Rule: every set comes with its licence, because what is trained on it carries that licence on.
"""

from __future__ import annotations

from pathlib import Path

from bot.errors import WrongUse
from bot.evaluation.datasets import load_answers
from bot.finetuning.prepare import Asked


def squad_set(file: Path, licence: str, origin: str | None = None) -> Asked:
    """A file in SQuAD's layout (SQuAD 1.1, 2.0, PolicyQA); `origin` is its file name without one."""
    if not licence.strip():
        raise WrongUse(f"name the licence of {file}, such as --licence 'CC BY-SA 4.0'")
    texts, questions = load_answers(file)
    return Asked(origin or file.stem, licence, texts, questions)
