"""The figures of one arm as people and programs read them: by name, rounded.

Rule: a name means the same in every command's JSON, in tables and in bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.evaluation.measures import Measures

Nested = dict[str, object]

NAMES = (
    *("em", "f1", "citation_precision", "citation_recall", "false_refusals", "holds_reference", "refused"),
    *("ungrounded_sentences", "hallucinated_entities", "overall_f1", "in_model_words", "key_facts"),
    *("foreign_numbers", "foreign_names", "facts_from_nowhere", "alce_recall", "alce_precision", "uncited"),
    *("unresolved", "abstention_precision", "abstention_recall", "abstention_f1", "aurc"),
    *("bleu", "rouge_l", "chrf"),
)
"""Every figure that may be bound; what a model says of citations is none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of `measures` by their names."""

    measures: Measures

    def nested(self) -> Nested:
        """As the JSON of `eval answers` has them, answerable and unanswerable questions apart; 0 for a mean of
        nothing, where `n` tells."""
        answers, citations, facts = self.measures.answers, self.measures.citations, self.measures.facts
        abstention = self.measures.abstention
        return {
            "answerable": {
                "n": answers.answerable,
                "em": _round(answers.em),
                "f1": _round(answers.f1),
                "citation_precision": _round(answers.citation_precision),
                "citation_recall": _round(answers.citation_recall),
                "false_refusals": _round(answers.false_refusals),
                "holds_reference": _round(answers.holds_reference),
            },
            "unanswerable": {"n": answers.unanswerable, "refused": _round(answers.refused)},
            "ungrounded_sentences": _round(answers.ungrounded_sentences),
            "hallucinated_entities": _round(answers.hallucinated_entities),
            "overall_f1": _round(answers.overall_f1),
            "in_model_words": _round(answers.in_model_words),
            "key_facts": {"n": facts.questions, "recall": _round(facts.recall)},
            "facts_from_nowhere": {
                "sentences": facts.sentences,
                "numbers": _round(facts.numbers),
                "names": _round(facts.names),
                "either": _round(facts.either),
            },
            "alce": {
                "statements": citations.statements,
                "recall": _round(citations.recall),
                "precision": _round(citations.precision),
                "uncited": _round(citations.uncited),
                "unresolved": _round(citations.unresolved),
            },
            "abstention": {
                "precision": _round(abstention.precision),
                "recall": _round(abstention.recall),
                "f1": _round(abstention.f1),
                "aurc": _round(abstention.aurc),
                "aurc_least": _round(abstention.aurc_least),
            },
            "overlap": self._overlap(),
            "support_model": self._support(),
            "outcomes": dict(self.measures.outcomes),
            "without_model": self.measures.without_model,
        }

    def flat(self) -> dict[str, float | None]:
        """Every figure by one name; None for one that could not be told, or is the mean of nothing."""
        found, abstention = self.measures.answers, self.measures.abstention
        facts, citations, overlap = self.measures.facts, self.measures.citations, self.measures.overlap
        known, unknown = found.answerable > 0, found.unanswerable > 0
        # Where everything was refused there is no citation to be right or wrong.
        told_some = known and found.false_refusals < 1
        said, cited = facts.sentences > 0, citations.statements > 0
        refused = found.answerable * found.false_refusals + found.unanswerable * found.refused > 0
        told: dict[str, tuple[bool, float | None]] = {
            "em": (known, found.em),
            "f1": (known, found.f1),
            "citation_precision": (told_some and cited, found.citation_precision),
            "citation_recall": (told_some and cited, found.citation_recall),
            "false_refusals": (known, found.false_refusals),
            "holds_reference": (known, found.holds_reference),
            "refused": (unknown, found.refused),
            "ungrounded_sentences": (said, found.ungrounded_sentences),
            "hallucinated_entities": (said, found.hallucinated_entities),
            "overall_f1": (known or unknown, found.overall_f1),
            "in_model_words": (said, found.in_model_words),
            "key_facts": (facts.questions > 0, facts.recall),
            "foreign_numbers": (said, facts.numbers),
            "foreign_names": (said, facts.names),
            "facts_from_nowhere": (said, facts.either),
            "alce_recall": (cited, citations.recall),
            "alce_precision": (cited, citations.precision),
            "uncited": (cited, citations.uncited),
            "unresolved": (cited, citations.unresolved),
            "abstention_precision": (unknown and refused, abstention.precision),
            "abstention_recall": (unknown, abstention.recall),
            "abstention_f1": (unknown, abstention.f1),
            "aurc": (True, abstention.aurc),
            "bleu": (known, None if overlap is None else overlap.bleu),
            "rouge_l": (known, None if overlap is None else overlap.rouge_l),
            "chrf": (known, None if overlap is None else overlap.chrf),
        }
        if self.measures.support is not None:
            told["model_support"] = (self.measures.support.statements > 0, self.measures.support.mean)
        return {name: value if there else None for name, (there, value) in told.items()}

    def _support(self) -> Nested | None:
        support = self.measures.support
        if support is None:
            return None
        return {
            "statements": support.statements,
            "mean": _round(support.mean),
            "above_half": _round(support.above_half),
        }

    def _overlap(self) -> Nested | None:
        overlap = self.measures.overlap
        if overlap is None:
            return None
        return {
            "bleu": round(overlap.bleu, 4),
            "rouge_l": round(overlap.rouge_l, 4),
            "chrf": round(overlap.chrf, 4),
            "signatures": [overlap.bleu_signature, overlap.chrf_signature],
        }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def figures(measures: Measures) -> Figures:
    """The figures of one arm."""
    return Figures(measures)


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{value:+.3f}"
