"""Reads the retrieval benchmarks that come as files: BEIR folders, SQuAD files, spans in a corpus.

Rule: what is not as the format says is an error that names the file, never a wrong figure.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import WrongUse
from bot.evaluation.ranking import Span


@dataclass(frozen=True, slots=True)
class Text:
    """One text to be found: a paragraph, an abstract, or a whole corpus."""

    name: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Texts, queries by id, and for each query the grade (1 and more) of each relevant text by name."""

    texts: tuple[Text, ...]
    queries: dict[str, str]
    relevant: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class SpanQuery:
    """A question with the places of the corpora that answer it."""

    question: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class ReferenceQuestion:
    """One SQuAD question: its references (none when it is unanswerable), and the name of its paragraph."""

    ask: str
    references: tuple[str, ...]
    text: str


def load_beir(folder: Path, split: str) -> Judged:
    """corpus.jsonl, queries.jsonl and qrels/<split>.tsv, with or without a line of heads; only queries with
    a judgement count."""
    texts = tuple(
        Text(str(row["_id"]), str(row.get("title") or ""), str(row["text"]))
        for row in _json_lines(folder / "corpus.jsonl")
    )
    named = {str(row["_id"]): str(row["text"]) for row in _json_lines(folder / "queries.jsonl")}
    relevant: dict[str, dict[str, int]] = {}
    path = folder / "qrels" / f"{split}.tsv"
    for number, line in enumerate(_read(path).splitlines()):
        fields = line.split("\t")
        if not line.strip() or (number == 0 and fields[0] not in named):  # the heads
            continue
        try:
            query, name, written = fields
            grade = int(written)
        except ValueError:
            raise WrongUse(
                f"{path} line {number + 1} is not query, text and grade with tabs between"
            ) from None
        if grade > 0 and query in named:
            relevant.setdefault(query, {})[name] = grade
    if not relevant:
        raise WrongUse(f"{path} judges nothing relevant to a query of {folder / 'queries.jsonl'}")
    return Judged(texts, {query: named[query] for query in relevant}, relevant)


def load_squad(file: Path) -> Judged:
    """Each paragraph is a text under its article's title; each answerable question wants its own paragraph."""
    texts: list[Text] = []
    queries: dict[str, str] = {}
    relevant: dict[str, dict[str, int]] = {}
    try:
        for text, asked in _paragraphs(file):
            texts.append(text)
            for question in asked:
                if not question.get("is_impossible"):
                    queries[str(question["id"])] = str(question["question"])
                    relevant[str(question["id"])] = {text.name: 1}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(f"{file} is not a SQuAD file: {error!r}") from error
    if not queries:
        raise WrongUse(f"there is no question with an answer in {file}")
    return Judged(tuple(texts), queries, relevant)


def load_answers(file: Path) -> tuple[tuple[Text, ...], tuple[ReferenceQuestion, ...]]:
    """The paragraphs of a SQuAD file as texts, and all its questions with their reference answers."""
    texts: list[Text] = []
    questions: list[ReferenceQuestion] = []
    try:
        for text, asked in _paragraphs(file):
            texts.append(text)
            for row in asked:
                known = () if row.get("is_impossible") else row["answers"]
                references = tuple(dict.fromkeys(str(answer["text"]) for answer in known))
                questions.append(ReferenceQuestion(str(row["question"]), references, text.name))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(f"{file} is not a SQuAD file: {error!r}") from error
    return tuple(texts), tuple(questions)


def load_spans(folder: Path) -> tuple[tuple[Text, ...], tuple[SpanQuery, ...]]:
    """corpora/*.md (plain text) and questions_df.csv with character spans as its `references`."""
    texts = tuple(
        Text(path.stem, path.stem.replace("_", " "), _read(path, "utf-8"))  # where every character counts
        for path in sorted((folder / "corpora").glob("*.md"))
    )
    names = {text.name for text in texts}
    path = folder / "questions_df.csv"
    queries: list[SpanQuery] = []
    try:
        for row in csv.DictReader(io.StringIO(_read(path), newline="")):
            if row["corpus_id"] in names:
                spans = json.loads(row["references"])
                places = tuple(
                    (row["corpus_id"], int(one["start_index"]), int(one["end_index"])) for one in spans
                )
                queries.append(SpanQuery(row["question"], places))
    except (csv.Error, ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{path} is not a table of questions with references: {error!r}") from error
    if not queries:
        raise WrongUse(f"{folder} has no questions about any corpora/*.md")
    return texts, tuple(queries)


def _paragraphs(file: Path) -> Iterator[tuple[Text, list[dict[str, Any]]]]:
    """Each paragraph of a SQuAD file with its questions, numbered under its title from 0, whose articles may be
    several."""
    places: Counter[str] = Counter()
    for article in json.loads(_read(file))["data"]:
        title = str(article["title"]).replace("_", " ")
        for paragraph in article["paragraphs"]:
            yield Text(f"{title}/{places[title]}", title, str(paragraph["context"])), paragraph["qas"]
            places[title] += 1


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or "_id" not in row or "text" not in row:
                raise ValueError("_id or text is missing")
        except ValueError as error:
            raise WrongUse(f"{path} line {number}: {error}") from error
        yield row


def _read(path: Path, encoding: str = "utf-8-sig") -> str:
    try:
        with path.open(encoding=encoding, newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} cannot be read: {error}") from error
