"""A conversation as tokens, in the parts in which a model may read it.

Rule: the same conversation gives the same tokens, whether its blocks are read apart or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.engine.generator import Turn
from models.engine.llama import Llama
from models.engine.template import ChatTemplate, Span


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that stand together: a block, or what stands between two blocks."""

    tokens: tuple[int, ...]
    block: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts in order. The first `head` tokens of the first part are the system message's, 0 without one."""

    parts: tuple[Part, ...]
    head: int

    def __len__(self) -> int:
        return sum(len(part.tokens) for part in self.parts)

    def in_one_part(self) -> Prompt:
        """The same tokens, to be read from the first to the last."""
        return Prompt((Part(tuple(token for part in self.parts for token in part.tokens)),), self.head)


class Prompts:
    """Turns conversations into prompts for one model."""

    def __init__(self, llama: Llama, template: ChatTemplate) -> None:
        self._llama = llama
        self._template = template

    def prompt(self, turns: Sequence[Turn], begun: str = "") -> Prompt:
        """Ends with what is `begun` of the answer; raises TemplateError where the model's chat template
        refuses the turns."""
        rendered = self._template.render(turns)
        opening = self._llama.opening_token()
        parts: list[Part] = []
        for span in (*rendered.spans, *([Span(begun, control=False)] if begun else [])):
            tokens = self._tokens([span])
            if parts and not span.block and not parts[-1].block:
                parts[-1] = Part(parts[-1].tokens + tokens)
            elif tokens:
                parts.append(Part(tokens, span.block))
        first = parts[0].tokens if parts and not parts[0].block else ()
        head = shared(first, self._tokens(rendered.head))
        if opening is not None and first[:1] != (opening,):
            head += head > 0
            parts[:1] = [Part((opening, *first)), *(parts[:1] if parts and parts[0].block else [])]
        return Prompt(tuple(parts), head)

    def _tokens(self, spans: Sequence[Span]) -> tuple[int, ...]:
        return tuple(
            token for span in spans for token in self._llama.tokenize(span.text, control=span.control)
        )


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items the two begin with alike."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
