"""Rows out of SQuAD files: questions, what answers them, and what comes close.

Rule: a paragraph is cut as a sync cuts it, and read whole as often as in parts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.judging.near_misses import changed, names, without_answer
from bot.judging.nearest import nearest
from bot.judging.rows import Row, Side, chunks_of, row, side_of
from bot.judging.sentence_rows import Sentences, passage_of, taken_for_answers
from bot.likelihood import Judge
from bot.words import content_words
from knowledge.chunking import Chunker
from knowledge.documents import Block, Passage, Section
from models.embedding.embedder import Embedder
from models.embedding.remembering import RememberingEmbedder

AWAY = 0.2
"""Of so many questions with an answer a judge also looks at what is found where their paragraph is not there."""

WHOLE_CHARACTERS = 1000
"""Longer paragraphs are read in parts only: joined passages are seldom longer."""


@dataclass(frozen=True, slots=True)
class _Paragraph:
    title: str
    text: str
    chunks: tuple[str, ...]
    names: tuple[str, ...]
    asked: tuple[dict[str, Any], ...]

    @property
    def passages(self) -> list[Passage]:
        """Its chunks as a search finds them."""
        return [passage_of(self.title, chunk) for chunk in self.chunks]

    def holding(self, answer: str, start: int) -> str:
        """The chunk around `start` that holds `answer`; the whole where none does."""
        position = 0
        for chunk in self.chunks:
            place = self.text.find(chunk[:40], position)
            position = max(place, position)
            if place <= start < place + len(chunk) + 8 and answer in chunk:
                return chunk
        return next((chunk for chunk in self.chunks if answer in chunk), self.text)


def squad_rows(
    file: Path,
    sides: set[Side],
    chunker: Chunker,
    embedder: Embedder,
    choice: random.Random,
    judge: Judge | None = None,
) -> Iterator[Row]:
    """The rows of the articles of `sides`. Positives and SQuAD's own near misses each once whole and once in
    part at most; made near misses and the search's mistakes in the shares below; sentences of each question;
    what `judge` takes for an answer in other paragraphs, that do not hold it."""
    paragraphs = list(_paragraphs(file, sides, chunker))
    texts = [(chunk, place) for place, one in enumerate(paragraphs) for chunk in one.chunks]
    asked = [(place, question) for place, one in enumerate(paragraphs) for question in one.asked]
    shown = [f"{paragraphs[place].title}\n{chunk}" for chunk, place in texts]
    near = nearest([question["question"] for _, question in asked], shown, embedder)
    sentences = Sentences(RememberingEmbedder(embedder), choice)
    for (place, question), places in zip(asked, near, strict=True):
        one = paragraphs[place]
        others = [
            passage_of(paragraphs[other].title, text)
            for text, other in (texts[found] for found in places)
            if other != place
        ]
        if question.get("is_impossible"):
            yield from _near_miss(one, question)
            yield from sentences.unanswered(
                question["question"], [*one.passages, *others], "near miss sentence"
            )
        else:
            yield from _answerable(one, question, [other.chunk.text for other in others], choice)
            yield from _sentences(one, question, others, sentences, choice)
            if judge is not None and choice.random() < AWAY:
                yield from _taken_away(question, others, sentences, judge)


def _answerable(
    one: _Paragraph, question: dict[str, Any], others: list[str], choice: random.Random
) -> Iterator[Row]:
    ask, title = str(question["question"]), one.title
    answer, start = str(question["answers"][0]["text"]), int(question["answers"][0]["answer_start"])
    part = one.holding(answer, start)
    whole = len(one.text) <= WHOLE_CHARACTERS and choice.random() < 0.5
    yield row(ask, title, one.text if whole else part, "answer", answers=1, answer=answer)
    missing = [chunk for chunk in one.chunks if chunk != part and answer not in chunk]
    if missing and choice.random() < 0.5:
        yield row(ask, title, choice.choice(missing), "beside", answers=0)
    wrong = [text for text in others if answer.lower() not in text.lower()]
    if wrong and choice.random() < 0.6:
        yield row(ask, title, wrong[min(int(choice.expovariate(0.8)), len(wrong) - 1)], "found", answers=0)
    if choice.random() < 0.2:
        cut = without_answer(one.text, start, start + len(answer))
        if cut is not None and answer not in cut and len(cut) <= WHOLE_CHARACTERS:
            yield row(ask, title, cut, "cut", answers=0)
    if choice.random() < 0.4:
        other = changed(ask, one.text, one.names, choice)
        if other is not None:
            yield row(other, title, one.text if whole else part, "changed", answers=0)
    if choice.random() < 0.12:
        yield row(_statement(ask, answer), title, part, "told", supports=1)
        entities = [name for name in names(one.text) if name not in answer and answer not in name]
        if entities:
            yield row(_statement(ask, choice.choice(entities)), title, part, "mistold", supports=0)


def _sentences(
    one: _Paragraph,
    question: dict[str, Any],
    others: Sequence[Passage],
    sentences: Sentences,
    choice: random.Random,
) -> Iterator[Row]:
    ask, answer = str(question["question"]), str(question["answers"][0]["text"])
    yield from sentences.answered(ask, one.passages, others, answer)
    if choice.random() < 0.2:
        other = changed(ask, one.text, one.names, choice)
        if other is not None:
            yield from sentences.unanswered(other, one.passages, "changed sentence")


def _taken_away(
    question: dict[str, Any], others: Sequence[Passage], sentences: Sentences, judge: Judge
) -> Iterator[Row]:
    ask, answer = str(question["question"]), str(question["answers"][0]["text"]).lower()
    wrong = [one for one in others if answer not in one.chunk.text.lower()]
    for place in taken_for_answers(ask, wrong, judge)[:1]:
        yield row(ask, wrong[place].title, wrong[place].chunk, "taken away", answers=0)
    yield from sentences.unanswered(ask, wrong, "taken away sentence", judge)


def _near_miss(one: _Paragraph, question: dict[str, Any]) -> Iterator[Row]:
    ask = str(question["question"])
    if len(one.text) <= WHOLE_CHARACTERS:
        yield row(ask, one.title, one.text, "near miss", answers=0)
    if len(one.chunks) > 1:
        wanted = set(content_words(ask, "en"))
        part = max(one.chunks, key=lambda chunk: len(wanted & set(content_words(chunk, "en"))))
        yield row(ask, one.title, part, "near miss part", answers=0)


def _statement(question: str, answer: str) -> str:
    return f"{question.rstrip(' ?')}: {answer}."


def _paragraphs(file: Path, sides: set[Side], chunker: Chunker) -> Iterator[_Paragraph]:
    for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
        name = str(article["title"])
        if side_of(name) not in sides:
            continue
        title = name.replace("_", " ")
        found = list(dict.fromkeys(one for part in article["paragraphs"] for one in names(part["context"])))
        for place, part in enumerate(article["paragraphs"]):
            text = str(part["context"])
            chunks = chunks_of(f"{name}/{place}", title, [Section((), (Block(text),))], chunker)
            asked = tuple(part["qas"])
            yield _Paragraph(title, text, tuple(chunk.text for chunk in chunks), tuple(found), asked)
