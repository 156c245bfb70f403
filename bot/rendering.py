"""An answer as the JSON that the command line promises.

Rule: the shapes are those of the documented interface; a key is added, never renamed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bot.answer import Answer
from knowledge.documents import Passage


def answer_row(answer: Answer) -> dict[str, object]:
    """`answer` as one JSON object of `ask --json`."""
    cited = frozenset(citation.number for citation in answer.citations)
    return {
        "question": answer.question,
        "text": answer.text,
        "status": answer.status,
        "language": answer.language,
        "voice": answer.voice,
        "note": answer.note,
        "citations": list(answer.citations),
        "passages": passage_rows(answer.passages, cited=cited),
        "model": dataclasses.asdict(answer.model) if answer.model else None,
        "index_version": answer.index_version,
        "timings": answer.timings,
    }


def passage_rows(passages: Sequence[Passage], *, cited: frozenset[int]) -> list[dict[str, object]]:
    """`passages` numbered from 1, as in `ask --json` and `search --json`."""
    return [
        {
            "number": number,
            "document_id": passage.chunk.document_id,
            "title": passage.title,
            "location": passage.location,
            "url": passage.url,
            "text": passage.chunk.text,
            "score": round(passage.score, 6),
            "similarity": None if passage.similarity is None else round(passage.similarity, 4),
            "updated_at": passage.updated_at,
            "cited": number in cited,
        }
        for number, passage in enumerate(passages, 1)
    ]
