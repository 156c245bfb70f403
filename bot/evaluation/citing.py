"""Citations as ALCE measures them (Gao et al. 2023, arXiv 2305.14627), over sentences and what they cite.

Rule: the support is lexical, the one by which the assistant checks itself (`bot.support`), not the entailment
model of the paper: figures are comparable with each other, not with published ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answer import Answer
from bot.citations import OWN_MARKERS
from bot.evaluation.grounding import grounded
from knowledge.documents import Passage
from knowledge.sentences import sentence_spans

_LEFT_OVER = " \t\n.,;:!?…。"


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer with the numbers of the passages that it cites; none is a claim without a source."""

    text: str
    cited: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Over all statements of all answers, 0 to 1. `recall` is the share whose cited passages together support
    them. `precision` is the share of citations that are needed: their statement is supported, and by them
    alone or not without them. `uncited` is the share of statements without a citation, `unresolved` that of
    numbers that stand for no passage."""

    statements: int
    recall: float
    precision: float
    uncited: float
    unresolved: float


def statements(answer: Answer) -> list[Statement]:
    """The sentences of `answer`, each with the citations behind it: a number stands for everything since the
    number before and the last empty line, as the program sets them."""
    found: list[Statement] = []
    position = 0
    for marker in OWN_MARKERS.finditer(answer.text):
        numbers = tuple(int(number) for number in re.findall(r"\d+", marker[1]))
        said = _sentences(answer.text[position : marker.start()])
        own = len(_sentences(answer.text[position : marker.start()].rstrip().rpartition("\n\n")[2]))
        if said:
            found += [Statement(text, ()) for text in said[: len(said) - own]]
            found += [Statement(text, numbers) for text in said[len(said) - own :]]
        elif found:
            found[-1] = replace(found[-1], cited=(*found[-1].cited, *numbers))
        position = marker.end()
    return found + [Statement(text, ()) for text in _sentences(answer.text[position:])]


def citation_scores(answers: Sequence[Answer]) -> CitationScores:
    """The figures of those of `answers` that answer; all 0 where none does."""
    supported: list[bool] = []
    needed: list[bool] = []
    uncited = unresolved = numbers = 0
    for answer in answers:
        if answer.status != "answered":
            continue
        known = {citation.number for citation in answer.citations}
        for statement in statements(answer):
            cited = [number for number in dict.fromkeys(statement.cited) if number in known]
            numbers += len(statement.cited)
            unresolved += sum(number not in known for number in statement.cited)
            uncited += not statement.cited
            whole = _supports(statement.text, cited, answer)
            supported.append(whole)
            needed += [whole and _is_needed(statement.text, number, cited, answer) for number in cited]
    return CitationScores(
        statements=len(supported),
        recall=_share(sum(supported), len(supported)),
        precision=_share(sum(needed), len(needed)),
        uncited=_share(uncited, len(supported)),
        unresolved=_share(unresolved, numbers),
    )


def _is_needed(text: str, number: int, cited: Sequence[int], answer: Answer) -> bool:
    rest = [other for other in cited if other != number]
    return _supports(text, [number], answer) or not _supports(text, rest, answer)


def _supports(text: str, cited: Sequence[int], answer: Answer) -> bool:
    return bool(cited) and grounded(text, [joined([answer.passages[n - 1] for n in cited])], answer.language)


def joined(passages: Sequence[Passage]) -> Passage:
    """`passages`, of which there is at least one, one after the other as one."""
    if len(passages) == 1:
        return passages[0]
    text = "\n".join(f"{p.title}\n{p.chunk.location}\n{p.chunk.text}" for p in passages)
    return replace(passages[0], chunk=replace(passages[0].chunk, text=text))


def _sentences(text: str) -> list[str]:
    text = text.lstrip(_LEFT_OVER)
    found = (text[start:end].strip() for start, end in sentence_spans(text))
    return [one for one in found if one.strip(_LEFT_OVER)]


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
