"""Training rows out of a team's own golden questions, over the team's own index.

Rule: an answer is made of the documents' own sentences that hold the expected facts; a question whose
facts are in no passage that the model would read gives no row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from bot.evaluation.golden import GoldenQuestion, holds
from bot.evaluation.split import is_test
from bot.evidence import Evidence
from bot.finetuning.prepare import SEARCHED, Made, row_for
from bot.languages import REFUSALS, language_of
from bot.looking import Looking
from knowledge.retrieval import Retriever
from models.engine.generator import Generator

MOST_SENTENCES = 2


async def golden_rows(
    questions: Sequence[GoldenQuestion],
    retriever: Retriever,
    looking: Looking,
    generator: Generator,
    *,
    origin: str,
    licence: str,
    held_back: bool = False,
    audience: Callable[[Set[str]], str] = lambda _collections: "",
) -> dict[str, Made]:
    """A row for each question that allows one, by its id, outside the test fifth; `generator` only counts tokens.

    With `held_back` the rows are those whose answer a document of the test fifth gives, to measure on.
    `audience` marks a row by the collections of its passages.
    """
    rows = {}
    for question in questions:
        found = retriever.search(question.ask, limit=SEARCHED)
        if not held_back:
            found = [passage for passage in found if not is_test(passage.title)]
        language = language_of(question.ask)
        sight = looking.at(question.ask, found, language)
        passages = sight.shown
        if not passages:
            continue
        answer = REFUSALS.get(language, REFUSALS["en"])
        document = next(iter(passages.values())).title
        if question.answerable:
            numbers = [n for n, p in passages.items() if p.chunk.document_id in question.documents]
            sentences = _sentences(question, sight.evidence, numbers)
            if not sentences:
                continue
            answer = " ".join(sentences)
            document = passages[numbers[0]].title
        if held_back != is_test(document) or (held_back and not question.answerable):
            continue
        row = await row_for(
            question.ask,
            answer,
            passages,
            generator,
            origin=origin,
            licence=licence,
            document=document,
            audience=audience({passage.collection for passage in passages.values()}),
        )
        rows[question.id] = Made(row, "answer" if question.answerable else "refusal")
    return rows


def _sentences(question: GoldenQuestion, evidence: Sequence[Evidence], numbers: Sequence[int]) -> list[str]:
    """The best sentences of the passages `numbers` that together hold a fact of every group; none where
    that takes more than two, or cannot be done."""
    chosen: Mapping[str, None] = {}
    for group in question.facts:
        for row in evidence:
            said = " ".join(row.unit.reading.split())
            if row.unit.passage in numbers and any(holds(said, fact) for fact in group):
                chosen = {**chosen, f"{said.lstrip('-*+• ').rstrip('.')} [{row.unit.passage}].": None}
                break
        else:
            return []
    return list(chosen) if len(chosen) <= MOST_SENTENCES else []
