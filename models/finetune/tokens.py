"""Training rows as the tokens that the serving engine would read, and rows that share their passages put together.

Rule: the prompt is made by the engine's own code from the engine's own file, so training and serving cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.engine.generator import Turn
from models.engine.llama import Llama
from models.engine.prompts import Prompts
from models.engine.settings import EnginePlan
from models.engine.template import CHATML, ChatTemplate, TemplateError
from models.finetune.rows import Row, RowError


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A prompt and its answer as tokens. The first `head` tokens are the system message's; `blocks` are the
    places that are read apart; the answer, with the token that ends it, begins at `answer`."""

    tokens: tuple[int, ...]
    head: int
    blocks: tuple[tuple[int, int], ...]
    answer: int

    @property
    def shared(self) -> int:
        """Where the last block ends: what stands before is the same for every question to these passages."""
        return self.blocks[-1][1] if self.blocks else 0


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a row as text: read from its beginning, read apart ("block"), or learned ("answer")."""

    kind: Literal["prompt", "block", "answer"]
    text: str


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows the passages in one row: `tokens`, of which those from `answer` on are to be learned."""

    tokens: tuple[int, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows with the same `prefix`, which is read once for all their `tails`; no tail sees another."""

    prefix: tuple[int, ...]
    head: int
    blocks: tuple[tuple[int, int], ...]
    tails: tuple[Tail, ...]

    @property
    def tail_tokens(self) -> int:
        return sum(len(tail.tokens) for tail in self.tails)

    def __len__(self) -> int:
        return len(self.prefix) + self.tail_tokens


class Tokens:
    """Makes tokens of rows for the GGUF model at `path`; raises the engine's LoadError."""

    def __init__(self, path: Path) -> None:
        plan = EnginePlan(
            path=str(path),
            context_tokens=512,
            threads=1,
            gpu_layers=0,
            kv_type="f16",
            flash_attention="auto",
            batch_tokens=64,
            repack=False,
        )
        self._llama = Llama(plan, progress=lambda: None)
        template = ChatTemplate(
            self._llama.chat_template or CHATML,
            bos=self._llama.bos_text,
            eos=self._llama.eos_text,
            control_texts=self._llama.control_texts(),
        )
        self._prompts = Prompts(self._llama, template)
        self._end = self._end_of_an_answer()

    def row(self, row: Row) -> TokenRow:
        """The row's tokens; raises the template's error where the chat template refuses its turns."""
        prompt = self._prompts.prompt(row.turns)
        place, blocks = 0, []
        for part in prompt.parts:
            if part.block:
                blocks.append((place, place + len(part.tokens)))
            place += len(part.tokens)
        asked = prompt.in_one_part().parts[0].tokens
        answer = self._llama.tokenize(row.answer, control=False)  # as the engine goes on with what is begun
        return TokenRow((*asked, *answer, self._end), prompt.head, tuple(blocks), len(asked))

    def parts(self, row: TokenRow) -> list[Part]:
        """The row's tokens as text again, with the names of the tokens that steer the model."""
        made: list[Part] = []
        place = 0
        for start, end in row.blocks:
            made += [Part("prompt", self._text(row.tokens[place:start]))] if start > place else []
            made.append(Part("block", self._text(row.tokens[start:end])))
            place = end
        made.append(Part("prompt", self._text(row.tokens[place : row.answer])))
        return [*made, Part("answer", self._text(row.tokens[row.answer :]))]

    def _text(self, tokens: Sequence[int]) -> str:
        pieces = [self._llama.bytes_of(token) or self._llama.text_of(token).encode() for token in tokens]
        return b"".join(pieces).decode("utf-8", "replace")

    def _end_of_an_answer(self) -> int:
        """The token that the chat template puts behind an answer."""
        asked = [Turn("user", "a")]
        before = len(self._prompts.prompt(asked))
        after = self._prompts.prompt([*asked, Turn("assistant", "b")]).in_one_part().parts[0].tokens[before:]
        for token in after:
            if self._llama.ends(token):
                return token
        raise ValueError("the model's chat template puts nothing behind an answer that would end it")


def token_rows(tokens: Tokens, rows: Iterable[Row]) -> Iterator[TokenRow]:
    """The tokens of each of `rows`; raises RowError with the id of one that the model could not be asked."""
    for row in rows:
        try:
            found = tokens.row(row)
            _check_blocks(found)
        except (TemplateError, ValueError) as error:
            raise RowError(f"the row {row.id!r} cannot be read as a prompt: {error}") from error
        yield found


def packs(rows: Iterable[TokenRow], *, most_tails: int = 8, most_tokens: int | None = None) -> list[Pack]:
    """The rows in packs of at most `most_tails`, and of at most `most_tokens` unless a row alone has more, in the order of
    their first rows.

    Raises ValueError for a row with text between its blocks: what it would read is not defined here.
    """
    found: dict[tuple[object, ...], list[TokenRow]] = {}
    for number, row in enumerate(rows):
        _check_blocks(row)
        alone = () if row.blocks else (number,)
        found.setdefault((row.tokens[: row.shared], row.head, row.blocks, *alone), []).append(row)
    made = []
    for together in found.values():
        first, shared = together[0], together[0].shared
        tails = [Tail(row.tokens[shared:], row.answer - shared) for row in together]
        for some in _split(tails, most_tails, None if most_tokens is None else most_tokens - shared):
            made.append(Pack(first.tokens[:shared], first.head, first.blocks, tuple(some)))
    return made


def _split(tails: Sequence[Tail], most: int, room: int | None) -> Iterator[list[Tail]]:
    some: list[Tail] = []
    for tail in tails:
        full = room is not None and sum(len(one.tokens) for one in [*some, tail]) > room
        if some and (len(some) == most or full):
            yield some
            some = []
        some.append(tail)
    yield some


def _check_blocks(row: TokenRow) -> None:
    ends: Sequence[int] = [end for _, end in row.blocks]
    starts = [start for start, _ in row.blocks]
    if starts[1:] != list(ends[:-1]) or (starts and starts[0] < row.head):
        raise ValueError("a row's blocks must stand behind its system message and side by side")
