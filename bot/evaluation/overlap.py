"""How many words and letters an answer has in common with the references: BLEU, ROUGE-L and chrF.

Rule: the figures are those of sacrebleu and rouge-score, which are an extra; nothing is fetched. BLEU counts
only the orders that a short text has, else a perfect answer of two words scores 0; ROUGE's own tokenizer
keeps nothing but a to z and digits, so it gets one that knows every script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.citations import without_markers
from bot.evaluation.asked import AskedQuestion
from bot.words import words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

_PER_CENT = 100.0


@dataclass(frozen=True, slots=True)
class OverlapScores:
    """Means over answerable questions, 0 to 1, 0 where refused; BLEU and chrF of each answer on its own,
    ROUGE-L's F against the best reference. `bleu_signature` and `chrf_signature` are sacrebleu's."""

    bleu: float
    rouge_l: float
    chrf: float
    bleu_signature: str
    chrf_signature: str


class Overlap:
    """The three metrics, ready to count. Raises ImportError where their packages are not installed."""

    def __init__(self) -> None:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF

        self._bleu: BLEU = BLEU(effective_order=True)
        self._chrf: CHRF = CHRF()
        self._rouge: Any = RougeScorer(["rougeL"], tokenizer=_Words())

    def scores(self, asked: Sequence[AskedQuestion]) -> OverlapScores:
        """The figures of the answerable ones of `asked`."""
        rows = [self.of(one) for one in asked if one.answerable]
        bleu, rouge, chrf = (
            sum(row[place] for row in rows) / len(rows) if rows else 0.0 for place in range(3)
        )
        return OverlapScores(bleu, rouge, chrf, *self._signatures())

    def of(self, asked: AskedQuestion) -> tuple[float, float, float]:
        """BLEU, ROUGE-L and chrF of one answer, each 0 to 1; 0 without an answer or a reference."""
        references = list(asked.question.references)
        if not asked.answered or not references:
            return 0.0, 0.0, 0.0
        said = without_markers(asked.answer.text, asked.answer.passages)
        return (
            float(self._bleu.sentence_score(said, references).score) / _PER_CENT,
            max(float(self._rouge.score(one, said)["rougeL"].fmeasure) for one in references),
            float(self._chrf.sentence_score(said, references).score) / _PER_CENT,
        )

    def _signatures(self) -> tuple[str, str]:
        # sacrebleu only has one after it has scored something.
        for metric in (self._bleu, self._chrf):
            metric.sentence_score("a", ["a"])
        return str(self._bleu.get_signature()), str(self._chrf.get_signature())


class _Words:
    """The words of a text in any script, in lower case, as rouge-score wants them."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
