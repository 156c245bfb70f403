"""Rows out of PolicyQA and SciFact: questions on policies, and claims with what carries or contradicts them.

Rule: what nobody has labelled is taken for a negative only where it is of another kind or another document.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.judging.nearest import nearest
from bot.judging.rows import Row, Side, chunks_of, row, side_of
from knowledge.chunking import Chunker
from knowledge.documents import Block, Section
from knowledge.sentences import sentence_spans
from models.embedding.embedder import Embedder

NEAR = 12
FOUND = 4
"""So many of the `NEAR` abstracts nearest to a claim stand against it."""

ABSTRACT_CHARACTERS = 1000


def policy_rows(
    file: Path, sides: set[Side], embedder: Embedder, choice: random.Random, *, a_passage: int = 4
) -> Iterator[Row]:
    """At most `a_passage` questions of each passage, each with it and with a near passage of the same policy
    that is about another practice."""
    for policy in json.loads(file.read_text(encoding="utf-8"))["data"]:
        title = str(policy["title"])
        if side_of(title) not in sides:
            continue
        passages = [str(one["context"]) for one in policy["paragraphs"]]
        practices = [
            {str(question["type"]).split("|||")[0] for question in one["qas"]} for one in policy["paragraphs"]
        ]
        asked: list[tuple[int, dict[str, Any]]] = []
        for place, one in enumerate(policy["paragraphs"]):
            some = choice.sample(one["qas"], min(a_passage, len(one["qas"])))
            asked.extend((place, question) for question in some)
        near = nearest([question["question"] for _, question in asked], passages, embedder, most=12)
        for (place, question), places in zip(asked, near, strict=True):
            ask, practice = str(question["question"]), str(question["type"]).split("|||")[0]
            answer = str(question["answers"][0]["text"])
            yield row(ask, title, passages[place], "policy", answers=1, answer=answer)
            wrong = [one for one in places if practice not in practices[one]]
            if wrong:
                yield row(ask, title, passages[choice.choice(wrong[:3])], "other practice", answers=0)


def claim_rows(
    claims: Path, corpus: Path, sides: set[Side], chunker: Chunker, embedder: Embedder, choice: random.Random
) -> Iterator[Row]:
    """Claims with their rationales (they speak to the claim, and carry it or not), and with abstracts that do not:
    of other claims, and those that the search finds first."""
    documents = {str(one["_id"]): one for one in _lines(corpus)}
    rows = _lines(claims)
    cited = sorted({str(one) for claim in rows for one in claim["cited_doc_ids"]})
    cited = [one for one in cited if one in documents and side_of(documents[one]["title"]) in sides]
    rows = [claim for claim in rows if {str(one) for one in claim["cited_doc_ids"]} & set(cited)]
    yield from _found(
        rows, [one for one in documents.values() if side_of(one["title"]) in sides], embedder, choice
    )
    for claim in rows:
        ask = str(claim["claim"])
        for name in map(str, claim["cited_doc_ids"]):
            if name not in cited:
                continue
            title, text = str(documents[name]["title"]), str(documents[name]["text"])
            chunks = [one.text for one in chunks_of(name, title, [Section((), (Block(text),))], chunker)]
            evidence = claim["evidence"].get(name)
            if evidence is None:
                yield row(ask, title, choice.choice(chunks), "unrelated claim", supports=0)
                continue
            yield from _with_evidence(ask, title, text, chunks, evidence)
            other = str(documents[choice.choice(cited)]["title"])
            if other != title:
                stray = next(one for one in documents.values() if one["title"] == other)
                yield row(ask, other, str(stray["text"])[:500], "other abstract", answers=0, supports=0)


def _lines(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _found(
    claims: list[dict[str, Any]], documents: list[dict[str, Any]], embedder: Embedder, choice: random.Random
) -> Iterator[Row]:
    """Claims with some of the abstracts that come near them and are not cited for them."""
    shown = [f"{one['title']}\n{one['text']}" for one in documents]
    near = nearest([str(claim["claim"]) for claim in claims], shown, embedder, most=NEAR)
    for claim, places in zip(claims, near, strict=True):
        cited = set(map(str, claim["cited_doc_ids"]))
        others = [documents[place] for place in places if str(documents[place]["_id"]) not in cited]
        for one in choice.sample(others, min(FOUND, len(others))):
            text = str(one["text"])[:ABSTRACT_CHARACTERS]
            yield row(str(claim["claim"]), str(one["title"]), text, "found abstract", answers=0, supports=0)


def _with_evidence(
    ask: str, title: str, text: str, chunks: list[str], evidence: dict[str, Any]
) -> Iterator[Row]:
    sentences = [text[low:high].strip() for low, high in sentence_spans(text)]
    wanted = {one for rationale in evidence["rationales"] for one in rationale}
    told = [sentences[one] for one in wanted if one < len(sentences)]
    label = int(evidence["label"] == "SUPPORT")
    for chunk in chunks:
        if any(sentence[:60] in chunk for sentence in told):
            yield row(ask, title, chunk, "rationale", answers=1, supports=label)
            break
    else:
        yield row(ask, title, " ".join(told) or text[:600], "rationale", answers=1, supports=label)
