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
from bot.assistant import Assistant
from bot.citations import without_markers
from bot.evaluation.datasets import ReferenceQuestion, Text
from bot.evaluation.temporary_index import SOURCE
from bot.evidence import units
from bot.question import Question
from bot.support import check, foreign_facts
from knowledge.documents import Chunk, Passage
from knowledge.retrieval import EVERYTHING, Retriever
from knowledge.sentences import sentence_spans
from knowledge.store import Readable

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


async def score_answers(
    questions: Sequence[ReferenceQuestion],
    assistant: Assistant,
    *,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> AnswerScores:
    """Asks every question and scores what comes back."""
    pairs = []
    for done, question in enumerate(questions, 1):
        pairs.append((question, await assistant.answer(Question(question.ask))))
        progress(done, len(questions))
    return scores(pairs)


class GivenPassages:
    """A search that gives the question's own paragraph and `distractors` others that it finds, for telling
    what the answer is worth when retrieval is not to blame."""

    def __init__(
        self,
        retriever: Retriever,
        questions: Sequence[ReferenceQuestion],
        texts: Sequence[Text],
        distractors: int,
    ) -> None:
        self._retriever = retriever
        self._own = {question.ask: question.text for question in questions}
        self._texts = {text.name: text for text in texts}
        self._distractors = distractors

    def search(self, query: str, *, limit: int = 5, readable: Readable = EVERYTHING) -> list[Passage]:
        """The gold passage among the distractors, at a place that the question decides."""
        own = self._texts[self._own[query]]
        found = self._retriever.search(query, limit=limit + self._distractors, readable=readable)
        gold = Passage(
            chunk=Chunk(f"{SOURCE}:{own.name}", 0, (), None, own.text),
            title=own.title,
            url=None,
            score=1.0,
            similarity=max((p.similarity or 0.0 for p in found), default=0.0),
            updated_at=None,
            source=SOURCE,
            collection=SOURCE,
        )
        others = [p for p in found if p.chunk.document_id != gold.chunk.document_id][: self._distractors]
        place = len(query) % (len(others) + 1)
        return [*others[:place], gold, *others[place:]]


def scores(pairs: Sequence[tuple[ReferenceQuestion, Answer]]) -> AnswerScores:
    """The scores of answers that are already there."""
    known = [(q, a) for q, a in pairs if q.references]
    unknown = [a for q, a in pairs if not q.references]
    f1s = [_best(f1, q, a) for q, a in known]
    cited = [(q, a) for q, a in known if a.status == "answered"]
    right = [[_is_right(q, a, c.number) for c in a.citations] for q, a in cited]
    answered = [a for _, a in pairs if a.status == "answered"]
    sentences = [(sentence, a) for a in answered for sentence in _sentences(a)]
    return AnswerScores(
        answerable=len(known),
        em=_mean([_best(exact, q, a) for q, a in known]),
        f1=_mean(f1s),
        citation_precision=_mean([float(one) for some in right for one in some]),
        citation_recall=_mean([float(any(some)) for some in right]),
        false_refusals=_mean([float(a.status == "refused") for _, a in known]),
        unanswerable=len(unknown),
        refused=_mean([float(a.status == "refused") for a in unknown]),
        ungrounded_sentences=_mean([float(not _grounded(sentence, a)) for sentence, a in sentences]),
        hallucinated_entities=_mean([float(bool(_foreign(a))) for a in answered]),
        overall_f1=_mean(f1s + [float(a.status == "refused") for a in unknown]),
        in_model_words=_mean([float(a.voice == "model") for a in answered]),
        holds_reference=_mean([_holds_one(q, a) for q, a in known]),
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


def _best(metric: Callable[[str, str], float], question: ReferenceQuestion, answer: Answer) -> float:
    if answer.status != "answered":
        return 0.0
    said = without_markers(answer.text)
    return max(metric(said, reference) for reference in question.references)


def _holds_one(question: ReferenceQuestion, answer: Answer) -> float:
    """1 where a reference stands in the answer; an answer in quotes is longer than any reference."""
    said = " ".join(normalised(without_markers(answer.text)))
    return float(
        answer.status == "answered"
        and any(f" {' '.join(normalised(reference))} " in f" {said} " for reference in question.references)
    )


def _is_right(question: ReferenceQuestion, answer: Answer, number: int) -> bool:
    chunk = answer.passages[number - 1].chunk
    return chunk.document_id == f"{SOURCE}:{question.text}" or any(
        r in chunk.text for r in question.references
    )


def _sentences(answer: Answer) -> list[str]:
    text = without_markers(answer.text)
    return [text[start:end].strip() for start, end in sentence_spans(text) if text[start:end].strip()]


def _grounded(sentence: str, answer: Answer) -> bool:
    """Quoted words carry themselves, however few content words they have."""
    flat = " ".join(sentence.split())
    if any(flat in " ".join(passage.chunk.text.split()) for passage in answer.passages):
        return True
    return check(sentence, answer.passages, units(answer.passages), answer.language).unit is not None


def _foreign(answer: Answer) -> list[str]:
    told = "\n".join(f"{p.title}\n{p.chunk.location}\n{p.chunk.text}" for p in answer.passages)
    return foreign_facts(without_markers(answer.text), told)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
