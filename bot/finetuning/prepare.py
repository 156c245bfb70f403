"""Training rows out of questions with known answers, as the assistant itself would have asked the model.

Rule: passages come from the project's own search and prompts from `bot.prompt`; a document of the test
fifth gives no row to train on, neither as the question's own nor as a passage beside it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.evaluation.datasets import ReferenceQuestion, Text
from bot.evaluation.split import is_test
from bot.evaluation.temporary_index import SOURCE, temporary_index
from bot.languages import REFUSALS, language_of
from bot.looking import Looking, evidence_alone
from bot.prompt import compose
from knowledge.documents import Passage
from knowledge.retrieval import Retriever
from knowledge.store import Searchable
from models.engine.generator import Generator
from models.finetune.rows import Row

Progress = Callable[[str, int, int], None]
SEARCHED = 8
ANSWER_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions about texts, with where they come from. A text's title is its document."""

    origin: str
    licence: str
    texts: tuple[Text, ...]
    questions: tuple[ReferenceQuestion, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """How the rows are mixed.

    `together` questions about one text are asked of the same passages, where a model reads whole ones. Of these groups `taken_out` lose
    every passage with an answer, and `moved` of the others have their passages in an order of chance.
    At most `refused` of all rows are refusals, at most `near_misses` of all rows those of a question
    whose own text is there and does not tell. Answers are at most `answer_characters` long.
    """

    together: int = 5
    taken_out: float = 0.22
    moved: float = 0.5
    refused: float = 0.28
    near_misses: float = 0.08
    answer_characters: int = 240


@dataclass(frozen=True, slots=True)
class _Group:
    asked: Asked
    text: Text
    questions: tuple[ReferenceQuestion, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A row with what it shows: "answer", "refusal" or "near miss"."""

    row: Row
    kind: str


async def rows_of(
    sets: Sequence[Asked],
    looking: Looking,
    generator: Generator,
    *,
    shares: Shares = Shares(),
    seed: int = 0,
    most: int | None = None,
    held_back: bool = False,
    progress: Progress = lambda _what, _done, _of: None,
    search_over: Callable[[Searchable], Retriever] | None = None,
) -> list[Row]:
    """Rows of all `sets`, at most `most`; the same for the same `seed`. `generator` only counts tokens.
    `search_over` makes the search over an index of their texts, by default one without a judge.

    With `held_back` they are made of the test fifth alone, to measure on; else of everything but it.
    """
    if looking.selection is evidence_alone:
        shares = replace(shares, together=1)  # what is read is another with each question
    chance = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    sets = [_side(one, test=held_back) for one in sets]
    groups = list(_groups(sets, shares, chance))
    chance.shuffle(groups)
    looking = looking.remembering()
    texts = [text for one in sets for text in one.texts]
    if not texts:
        return []
    made: list[Made] = []
    with temporary_index(texts, looking.embedder, progress) as (store, _):
        retriever = search_over(store) if search_over else Retriever(store, looking.embedder)
        for done, group in enumerate(groups):
            progress("groups", done, len(groups))
            if most is not None and len(made) >= most * 1.3:
                break
            passages = _passages(group, retriever, looking, shares, chance)
            for question in group.questions:
                one = await _made(group, question, passages, generator, shares)
                if one is not None:
                    made.append(one)
    return [one.row for one in mixed(made, shares, chance)][:most]


def _side(asked: Asked, *, test: bool) -> Asked:
    """The test fifth, or all but it; texts are named after their set, so that no two share a name."""
    texts = tuple(
        replace(text, name=f"{asked.origin}/{text.name}")
        for text in asked.texts
        if is_test(text.title) == test
    )
    names = {text.name for text in texts}
    questions = (replace(one, text=f"{asked.origin}/{one.text}") for one in asked.questions)
    return replace(asked, texts=texts, questions=tuple(one for one in questions if one.text in names))


def _groups(sets: Sequence[Asked], shares: Shares, chance: random.Random) -> Iterator[_Group]:
    for asked in sets:
        texts = {text.name: text for text in asked.texts}
        by_text: dict[str, dict[str, ReferenceQuestion]] = {}
        for question in asked.questions:
            by_text.setdefault(question.text, {}).setdefault(question.ask, question)
        for name, found in by_text.items():
            questions = list(found.values())
            chance.shuffle(questions)
            for start in range(0, len(questions), shares.together):
                yield _Group(asked, texts[name], tuple(questions[start : start + shares.together]))


def _passages(
    group: _Group, retriever: Retriever, looking: Looking, shares: Shares, chance: random.Random
) -> dict[int, Passage]:
    """What the model would read for the group's first question, by number; changed as the shares say."""
    ask = group.questions[0].ask
    found = retriever.search(ask, limit=SEARCHED * 2)
    if chance.random() < shares.taken_out:
        answers = {reference for question in group.questions for reference in question.references}
        own = f"{SOURCE}:{group.text.name}"
        found = [
            passage
            for passage in found
            if passage.chunk.document_id != own and not any(text in passage.chunk.text for text in answers)
        ]
    found = found[:SEARCHED]
    return moved(looking.at(ask, found, language_of(ask)).shown, shares, chance)


def moved(chosen: Mapping[int, Passage], shares: Shares, chance: random.Random) -> dict[int, Passage]:
    """The passages under the same numbers, at times in an order of chance."""
    passages = list(chosen.values())
    if chance.random() < shares.moved:
        chance.shuffle(passages)
    return dict(zip(chosen, passages, strict=True))


async def _made(
    group: _Group,
    question: ReferenceQuestion,
    passages: dict[int, Passage],
    generator: Generator,
    shares: Shares,
) -> Made | None:
    """The row for `question`; None where nobody could say what is right."""
    own = f"{SOURCE}:{group.text.name}"
    there = [number for number, passage in passages.items() if passage.chunk.document_id == own]
    answer, kind = REFUSALS["en"], "refusal"
    if not question.references:
        kind = "near miss" if there else "refusal"
    elif gold := _gold(question, passages, there):
        (number, reference), kind = gold, "answer"
        if len(reference) > shares.answer_characters:
            return None
        answer = f"{reference.rstrip(' .')} [{number}]."
    elif any(ref in passage.chunk.text for ref in question.references for passage in passages.values()):
        return None  # the words stand in another text, where they may answer it or not
    if not passages:
        return None
    row = await row_for(
        question.ask,
        answer,
        passages,
        generator,
        origin=group.asked.origin,
        licence=group.asked.licence,
        document=group.text.title,
    )
    return Made(row, kind)


async def row_for(
    ask: str,
    answer: str,
    passages: Mapping[int, Passage],
    generator: Generator,
    *,
    origin: str,
    licence: str,
    document: str,
    audience: str = "",
) -> Row:
    """The row that asks `ask` of `passages` as the assistant would; its id is that of its prompt."""
    turns = await compose(ask, passages, generator, max_tokens=ANSWER_TOKENS, language=language_of(ask))
    digest = hashlib.sha256(repr([turn.text for turn in turns]).encode("utf-8", "replace")).hexdigest()
    return Row(digest[:16], tuple(turns), answer, origin, licence, document, audience)


def _gold(
    question: ReferenceQuestion, passages: dict[int, Passage], there: Sequence[int]
) -> tuple[int, str] | None:
    """The number of a passage of the question's own text and the reference that stands in it."""
    for reference in question.references:
        for number in there:
            if reference.strip() and reference in passages[number].chunk.text:
                return number, " ".join(reference.split())
    return None


def mixed(made: Sequence[Made], shares: Shares, chance: random.Random) -> list[Made]:
    """All answers, with as many refusals as the shares allow; the order stays."""
    places = {
        kind: [i for i, one in enumerate(made) if one.kind == kind] for kind in ("refusal", "near miss")
    }
    answers = sum(one.kind == "answer" for one in made)
    total = answers / (1 - shares.refused)
    near_misses = min(shares.near_misses, shares.refused)
    near = chance.sample(places["near miss"], min(len(places["near miss"]), round(total * near_misses)))
    room = max(0, round(total * shares.refused) - len(near))
    rest = chance.sample(places["refusal"], min(len(places["refusal"]), room))
    refused = {*near, *rest}
    return [one for place, one in enumerate(made) if one.kind == "answer" or place in refused]
