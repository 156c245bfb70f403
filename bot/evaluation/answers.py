"""Answers measured against SQuAD's references: words, citations, refusals, and what nobody said.

Rule: deterministic and judge-free. EM and F1 are SQuAD's own (lower case, no punctuation, no articles;
the best over all references; Rajpurkar et al. 2016 and 2018), markers taken out first.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.answer import Answer
from bot.citations import without_markers
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.grounding import facts_from_nowhere, grounded, is_right, sentences

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Means over questions, 0 to 1.

    Of answerable questions: `em`, `f1` (0 where refused), `false_refusals`. Of the citations of their
    answers: `citation_precision`, the share whose passage is in the question's own paragraph or holds
    a reference; `citation_recall`, the share of answers with at least one such citation. Of
    unanswerable ones: `refused`. Of all answered sentences: `ungrounded_sentences`, those that no
    passage carries, and `hallucinated_entities`, the share of answers with a number or a name that
    stands in no passage. `overall_f1` counts a refusal of an unanswerable question as 1.
    `in_model_words` is the share of answers that begin in the model's words, `holds_reference` that of
    answerable questions whose answer has a reference in it.
    """

    answerable: int
    em: float
    f1: float
    citation_precision: float
    citation_recall: float
    false_refusals: float
    unanswerable: int
    refused: float
    ungrounded_sentences: float
    hallucinated_entities: float
    overall_f1: float
    in_model_words: float
    holds_reference: float


def scores(pairs: Sequence[tuple[ReferenceQuestion, Answer]]) -> AnswerScores:
    """The scores of answers that are already there."""
    known = [(q, a) for q, a in pairs if q.references]
    unknown = [a for q, a in pairs if not q.references]
    f1s = [best(f1, q, a) for q, a in known]
    cited = [(q, a) for q, a in known if a.status == "answered"]
    right = [[is_right(q, a, c.number) for c in a.citations] for q, a in cited]
    answered = [a for _, a in pairs if a.status == "answered"]
    said = [(sentence, a) for a in answered for sentence in sentences(a)]
    return AnswerScores(
        answerable=len(known),
        em=_mean([best(exact, q, a) for q, a in known]),
        f1=_mean(f1s),
        citation_precision=_mean([float(one) for some in right for one in some]),
        citation_recall=_mean([float(any(some)) for some in right]),
        false_refusals=_mean([float(a.status == "refused") for _, a in known]),
        unanswerable=len(unknown),
        refused=_mean([float(a.status == "refused") for a in unknown]),
        ungrounded_sentences=_mean(
            [float(not grounded(sentence, a.passages, a.language)) for sentence, a in said]
        ),
        hallucinated_entities=_mean([float(bool(facts_from_nowhere(a))) for a in answered]),
        overall_f1=_mean(f1s + [float(a.status == "refused") for a in unknown]),
        in_model_words=_mean([float(a.voice == "model") for a in answered]),
        holds_reference=_mean([holds_one(q, a) for q, a in known]),
    )


def best(metric: Callable[[str, str], float], question: ReferenceQuestion, answer: Answer) -> float:
    """`metric` of the answer's words against the best reference; 0 where nothing was answered, or nothing is right."""
    if answer.status != "answered" or not question.references:
        return 0.0
    said = without_markers(answer.text, answer.passages)
    return max(metric(said, reference) for reference in question.references)


def holds_one(question: ReferenceQuestion, answer: Answer) -> float:
    """1 where a reference stands in the answer; an answer in quotes is longer than any reference."""
    said = " ".join(normalised(without_markers(answer.text, answer.passages)))
    return float(
        answer.status == "answered"
        and any(f" {' '.join(normalised(reference))} " in f" {said} " for reference in question.references)
    )


def normalised(text: str) -> list[str]:
    """The tokens that SQuAD compares."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def f1(said: str, reference: str) -> float:
    """SQuAD's token F1, 0 to 1."""
    some, others = normalised(said), normalised(reference)
    if not some or not others:
        return float(some == others)
    shared = sum((Counter(some) & Counter(others)).values())
    return 2 * shared / (len(some) + len(others))


def exact(said: str, reference: str) -> float:
    """1 where the normalised texts are equal."""
    return float(normalised(said) == normalised(reference))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
