"""Which questions of SQuAD files are asked.

Rule: the same files and seed give the same questions in the same order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.errors import WrongUse
from bot.evaluation.datasets import ReferenceQuestion, Text, load_answers
from bot.evaluation.split import unseen


def questions_of(
    files: Sequence[Path], *, limit: int | None, seed: int, test_fifth: bool
) -> tuple[tuple[Text, ...], list[ReferenceQuestion]]:
    """All paragraphs of `files`, and the questions to be asked, in an order of chance; a question that is there
    twice is asked once. Raises `WrongUse` where none is left."""
    texts: list[Text] = []
    questions: list[ReferenceQuestion] = []
    for number, file in enumerate(files):
        some, asked = load_answers(file)
        # Two files may have articles of one name; alone, a file keeps its own.
        mark = f"{number + 1}/" if len(files) > 1 else ""
        texts += [replace(text, name=mark + text.name) for text in some]
        questions += [replace(question, text=mark + question.text) for question in asked]
    random.Random(seed).shuffle(questions)  # noqa: S311 (a sample, not a secret)
    titles = {text.name: text.title for text in texts}
    if test_fifth:
        questions = [question for question in questions if unseen(titles[question.text])]
    chosen = list({question.ask: question for question in reversed(questions)}.values())[::-1][:limit]
    if not chosen:
        left = " about a document that no training may use" if test_fifth else ""
        raise WrongUse(f"there is no question{left} in {', '.join(map(str, files))}")
    return tuple(texts), chosen
