"""Whether what an answer says and cites stands in the passages that it had.

Rule: lexical and judge-free, with the rules by which the assistant itself checks a sentence (`bot.support`).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Answer
from bot.citations import without_markers
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.given import answers_to
from bot.evidence import units
from bot.measures import plain
from bot.support import check, foreign_facts
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans


def sentences(answer: Answer) -> list[str]:
    """The sentences of an answer, without its markers."""
    text = without_markers(answer.text, answer.passages)
    return [text[start:end].strip() for start, end in sentence_spans(text) if text[start:end].strip()]


def grounded(sentence: str, passages: Sequence[Passage], language: str) -> bool:
    """Whether a passage carries `sentence`. Quoted words carry themselves, however few content words they have."""
    flat = " ".join(sentence.split())
    if any(flat in " ".join(passage.chunk.text.split()) for passage in passages):
        return True
    return check(sentence, passages, units(passages), language).unit is not None


def facts_from_nowhere(answer: Answer, sentence: str | None = None) -> list[str]:
    """The numbers and names of an answer, or of one `sentence` of it, that stand in no passage."""
    told = "\n".join(f"{p.title}\n{p.chunk.location}\n{p.chunk.text}" for p in answer.passages)
    said = without_markers(answer.text, answer.passages) if sentence is None else sentence
    return foreign_facts(plain(said, answer.language), plain(told, answer.language))


def is_right(question: ReferenceQuestion, answer: Answer, number: int) -> bool:
    """Whether citation `number` is a passage that answers `question`."""
    return answers_to(question, answer.passages[number - 1])
