"""The figures of one arm as people and programs read them: by name, rounded.

Rule: a name means the same in every command's JSON, in tables and in bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.evaluation.measures import Measures

Nested = dict[str, object]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of `measures` by their names."""

    measures: Measures

    def nested(self) -> Nested:
        """As the JSON of `eval answers` has them, answerable and unanswerable questions apart."""
        flat = {name: value if value is None else round(value, 4) for name, value in self.flat().items()}
        answers, citations = self.measures.answers, self.measures.citations
        known = ("em", "f1", "citation_precision", "citation_recall", "false_refusals", "holds_reference")
        rest = (
            "ungrounded_sentences", "hallucinated_entities", "overall_f1", "in_model_words",
        )  # fmt: skip
        abstention = ("precision", "recall", "f1")
        return {
            "answerable": {"n": answers.answerable, **{name: flat[name] for name in known}},
            "unanswerable": {"n": answers.unanswerable, "refused": flat["refused"]},
            **{name: flat[name] for name in rest},
            "key_facts": {"n": self.measures.facts.questions, "recall": flat["key_facts"]},
            "foreign_facts": {
                "sentences": self.measures.facts.sentences,
                "numbers": flat["foreign_numbers"],
                "names": flat["foreign_names"],
                "either": flat["foreign_facts"],
            },
            "alce": {
                "statements": citations.statements,
                "recall": flat["alce_recall"],
                "precision": flat["alce_precision"],
                "uncited": flat["uncited"],
                "unresolved": flat["unresolved"],
            },
            "abstention": {
                **{name: flat[f"abstention_{name}"] for name in abstention},
                "aurc": flat["aurc"],
                "aurc_least": flat["aurc_least"],
            },
            "overlap": self._overlap(),
            "outcomes": dict(self.measures.outcomes),
            "without_model": self.measures.without_model,
        }

    def flat(self) -> dict[str, float | None]:
        """Every figure by one name; None for one that could not be told."""
        found, abstention = self.measures.answers, self.measures.abstention
        facts, citations, overlap = self.measures.facts, self.measures.citations, self.measures.overlap
        return {
            "em": found.em,
            "f1": found.f1,
            "citation_precision": found.citation_precision,
            "citation_recall": found.citation_recall,
            "false_refusals": found.false_refusals,
            "holds_reference": found.holds_reference,
            "refused": found.refused,
            "ungrounded_sentences": found.ungrounded_sentences,
            "hallucinated_entities": found.hallucinated_entities,
            "overall_f1": found.overall_f1,
            "in_model_words": found.in_model_words,
            "key_facts": facts.recall,
            "foreign_numbers": facts.numbers,
            "foreign_names": facts.names,
            "foreign_facts": facts.either,
            "alce_recall": citations.recall,
            "alce_precision": citations.precision,
            "uncited": citations.uncited,
            "unresolved": citations.unresolved,
            "abstention_precision": abstention.precision,
            "abstention_recall": abstention.recall,
            "abstention_f1": abstention.f1,
            "aurc": abstention.aurc,
            "aurc_least": abstention.aurc_least,
            "bleu": None if overlap is None else overlap.bleu,
            "rouge_l": None if overlap is None else overlap.rouge_l,
            "chrf": None if overlap is None else overlap.chrf,
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


def figures(measures: Measures) -> Figures:
    """The figures of one arm."""
    return Figures(measures)


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{value:+.3f}"
