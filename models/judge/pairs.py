"""A question and a passage as the numbers that the judge's network reads.

Rule: what was learned from and what is judged look the same, to the character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from models.errors import EmbedderUnavailable

QUESTION_TOKENS = 64
MAX_TOKENS = 320


def shown(title: str, location: str, text: str) -> str:
    """A passage as the judge is shown it: where it stands on the first line, then its text."""
    where = " › ".join(part for part in (title, location) if part)
    return f"{where}\n{text}" if where else text


@dataclass(frozen=True, slots=True)
class Pair:
    """Token numbers of one pair. `passage_from` is the place of the passage's first token; `offsets` are
    the characters of the passage that each of its tokens stands for."""

    ids: tuple[int, ...]
    passage_from: int
    offsets: tuple[tuple[int, int], ...]


class PairTokens:
    """Cuts questions at `QUESTION_TOKENS` and pairs at `MAX_TOKENS`, the passage's end first."""

    def __init__(self, folder: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exception
            raise EmbedderUnavailable(f"{folder} holds no tokenizer: use a complete model folder") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        begin, end = (self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        if begin is None or end is None:
            raise EmbedderUnavailable(f"the tokenizer in {folder} is not one that a judge was trained with")
        self._begin, self._end = int(begin), int(end)

    def pairs(self, questions: Sequence[str], passages: Sequence[str]) -> list[Pair]:
        """A pair for each question with the passage at its place."""
        asked: dict[str, Encoding] = dict(self._encoded(dict.fromkeys(questions)))
        read: dict[str, Encoding] = dict(self._encoded(dict.fromkeys(passages)))
        return [
            self._pair(asked[question], read[passage])
            for question, passage in zip(questions, passages, strict=True)
        ]

    def _encoded(self, texts: dict[str, None]) -> list[tuple[str, Encoding]]:
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return list(zip(texts, self._tokenizer.encode_batch(clean, add_special_tokens=False), strict=True))

    def _pair(self, question: Encoding, passage: Encoding) -> Pair:
        asked = question.ids[:QUESTION_TOKENS]
        room = MAX_TOKENS - len(asked) - 3
        ids = (self._begin, *asked, self._end, *passage.ids[:room], self._end)
        return Pair(ids, len(asked) + 2, tuple(passage.offsets[:room]))
