"""All rows of one side out of the public data sets, in the shares that the judge learns from.

Rule: the same data and the same seed give the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bot.judging.asked_otherwise import OTHERWISE, asked_otherwise
from bot.judging.asked_pages import asked_rows
from bot.judging.claim_rows import claim_rows, policy_rows
from bot.judging.golden_rows import QuestionSet, golden_rows
from bot.judging.page_rows import page_rows
from bot.judging.pages import pages
from bot.judging.rows import Row, Side
from bot.judging.sentence_rows import Sentences
from bot.judging.squad_rows import squad_rows
from bot.likelihood import Judge
from knowledge.chunking import Chunker
from models.embedding.embedder import Embedder
from models.embedding.remembering import RememberingEmbedder

SQUAD = "qa/squad"
POLICIES = "qa/policyqa/dev.json"
ABSTRACTS = "retrieval/scifact"
PAGES = ("corpora/sourcegraph_handbook", "corpora/discord_docs", "corpora/pydis_faq")
"""The public data sets, below the data folder."""

PUBLIC = {"sourcegraph-pages": "corpora/sourcegraph_handbook/content", "discord-docs": "corpora/discord_docs"}
"""Where the pages are of golden questions that bring none of their own."""

LESS = {
    "answer": 0.75,
    "sentence": 0.6,
    "other sentence": 0.1,
    "found": 0.2,
    "changed": 0.25,
    "changed sentence": 0.1,
    "cut": 0.1,
    "beside": 0.15,
    "near miss golden": 0.7,
    "golden found": 0.4,
    "rationale": 0.7,
    "found abstract": 0.2,
    "told": 0.2,
    "mistold": 0.2,
    "policy": 0.16,
    "other practice": 0.16,
    "row": 0.35,
    "cell": 0.35,
    "row away": 0.3,
    "cell away": 0.3,
    "other row": 0.3,
    "column away": 0.15,
    "asked": 0.8,
    "asked sentence": 0.8,
    "other asked": 0.5,
    "other asked sentence": 0.25,
    "heading": 0.2,
    "other heading": 0.2,
    "item": 0.3,
    "item away": 0.3,
    "item alone": 0.3,
}
"""Of rows that are easy, or many, or whose labels are guessed, only this share is learned from."""

TWICE = frozenset({"golden", "golden sentence", "near miss", "near miss part"})

AS_THEY_ARE = frozenset(
    {
        "found abstract",
        "golden",
        "golden found",
        "golden sentence",
        "heading",
        "item",
        "item alone",
        "item away",
        "mistold",
        "near miss golden",
        "near miss golden sentence",
        "other abstract",
        "other golden sentence",
        "other heading",
        "other item",
        "outside golden",
        "outside golden sentence",
        "rationale",
        "told",
        "unrelated",
        "unrelated claim",
        "unrelated sentence",
    }
)
"""Rows whose question is a statement, a few words, or as people type it already."""

STRAY = 0.03


def public_pages(data: Path) -> dict[str, Path]:
    """Where the pages are of golden questions that bring none of their own, by the questions' name."""
    return {name: data / folder for name, folder in PUBLIC.items()}


def absent(data: Path) -> list[str]:
    """The public data sets that are not in `data`."""
    return [part for part in (SQUAD, POLICIES, ABSTRACTS, *PAGES) if not (data / part).exists()]


def public_rows(
    data: Path,
    side: Side,
    embedder: Embedder,
    *,
    but: frozenset[str],
    golden: Sequence[QuestionSet] = (),
    judge: Judge | None = None,
    seed: int = 7,
) -> Iterator[Row]:
    """Every row of `side`, of what is there: SQuAD, PolicyQA, SciFact, pages of three handbooks but those that `but` names, and
    `golden` questions; beside near misses, and questions whose passage is taken away, stands what `judge` takes for an answer."""
    choice = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    chunker = Chunker(embedder.count_tokens, embedder.max_tokens)
    of_articles: list[str] = []
    for file in sorted((data / SQUAD).glob("*.json")):
        for one in squad_rows(file, {side}, chunker, embedder, choice, judge):
            if one.kind == "answer":
                of_articles.append(one.question)
            yield one
    if (data / POLICIES).exists():
        yield from policy_rows(data / POLICIES, {side}, embedder, choice)
    if (data / ABSTRACTS).exists():
        claims, corpus = (
            data / ABSTRACTS / name for name in ("claims_train_with_evidence.jsonl", "corpus.jsonl")
        )
        yield from claim_rows(claims, corpus, {side}, chunker, embedder, choice)
    for name in PAGES:
        files = sorted(file for file in (data / name).rglob("*.md*") if file.name != "SOURCE.md")
        found = list(pages(files, {side}, chunker, but=but))
        yield from page_rows(found, choice)
        yield from asked_rows(found, Sentences(RememberingEmbedder(embedder), choice), choice)
    yield from golden_rows(golden, side, chunker, embedder, choice, of_articles, judge)


def mixed(rows: Sequence[Row], *, seed: int = 3) -> list[Row]:
    """What is learned from: fewer of the easy and the rough rows, the rarest twice, a few passages of elsewhere;
    and some of the questions in other forms."""
    choice = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    found: list[Row] = []
    for one in rows:
        if choice.random() > LESS.get(one.kind, 1.0):
            continue
        found += [one, one] if one.kind in TWICE else [one]
    for _ in range(round(STRAY * len(rows))):
        asked, other = choice.choice(rows), choice.choice(rows)
        if asked.document != other.document and asked.supports is None:
            stray = replace(asked, passage=other.passage, kind="elsewhere", answers=0, begin=-1, end=-1)
            found.append(stray)
    return [_asked_otherwise(one, choice) for one in found]


def _asked_otherwise(one: Row, choice: random.Random) -> Row:
    if one.kind in AS_THEY_ARE or choice.random() >= OTHERWISE:
        return one
    return replace(one, question=asked_otherwise(one.question, choice))
