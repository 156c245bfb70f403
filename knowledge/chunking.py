"""Cuts documents into the chunks that are embedded and found.

Rule: a chunk never crosses a section, its text is verbatim, every word of the document is in some
chunk, and heading path and text together never exceed the embedder's limit.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from knowledge.documents import Block, BlockKind, Chunk, Document, Section
from knowledge.sentences import sentence_spans

TARGET_TOKENS = 70
_HEADING_SHARE = 4  # headings may take a quarter of the limit
_INSIDE_PARAGRAPH = 0.15  # what a break inside a paragraph costs, against (size / target - 1) squared
_SMALLEST_PIECE = 12  # tokens: shorter sentences are not worth a choice of their own
_CHARACTERS_A_TOKEN = 8
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of one block that is not cut further; `ends_block` is whether its block ends with it."""

    text: str
    tokens: int
    kind: BlockKind
    ends_block: bool


class Chunker:
    """Packs sections into chunks of about `target_tokens`, none over `max_tokens` with its headings.

    `count_tokens` counts as the embedder does, special tokens included. Paragraphs are cut at
    sentences, then at words; tables between rows, the header row repeated; code between lines; both
    stay whole where they fit into `max_tokens`.
    """

    def __init__(
        self, count_tokens: Callable[[str], int], max_tokens: int, *, target_tokens: int = TARGET_TOKENS
    ) -> None:
        self._count = count_tokens
        self._special = count_tokens("")
        if max_tokens - self._special < _HEADING_SHARE * 2:
            raise ValueError(f"an embedder of {max_tokens} tokens is too small for chunks")
        self._max_tokens = max_tokens
        self._target_tokens = min(target_tokens, max_tokens - self._special)
        self._last_heading: tuple[tuple[str, ...], str] | None = None

    @property
    def version(self) -> str:
        """Changes whenever the same document would give other chunks."""
        return f"chunks-3:{self._max_tokens}:{self._target_tokens}"

    def chunk(self, document: Document) -> list[Chunk]:
        """The chunks in reading order, `ordinal` counting from 0."""
        found: list[Chunk] = []
        for section, following in _with_next(document.sections):
            heading = self._heading(document.title, section.headings)
            limit = self._max_tokens - (self._count(heading) if heading else self._special)
            for text, kind in self._texts(section, following, limit, heading):
                found.append(
                    Chunk(
                        document_id=document.id,
                        ordinal=len(found),
                        headings=section.headings,
                        page=section.page,
                        text=text,
                        kind=kind,
                    )
                )
        return found

    def embedding_text(self, title: str, chunk: Chunk) -> str:
        """What is embedded for `chunk`: title and heading path on the first line, then its text."""
        heading = self._heading(title, chunk.headings)
        return f"{heading}\n{chunk.text}" if heading else chunk.text

    def _heading(self, title: str, headings: Sequence[str]) -> str:
        """As `_shortened`; chunks of one section come one after the other, so the last is kept."""
        key = (title, *headings)
        if self._last_heading is None or self._last_heading[0] != key:
            self._last_heading = (key, self._shortened(title, headings))
        return self._last_heading[1]

    def _shortened(self, title: str, headings: Sequence[str]) -> str:
        """Title and heading path on one line, shortened to a quarter of the limit."""
        names = [" ".join(name.split()) for name in (title, *headings)]
        names = [name for place, name in enumerate(names) if name and name not in names[:place]]
        budget = max(1, (self._max_tokens - self._special) // _HEADING_SHARE) + self._special
        longest = budget * 8
        names = [name[:longest] for name in names]
        while names and self._count(line := " › ".join(names)) > budget:
            if len(names) > 2:
                del names[1]
            elif len(line) <= 2:
                return ""
            else:
                names = [name[: len(name) * 2 // 3].rstrip() for name in names]
                names = [name for name in names if name]
        return " › ".join(names)

    def _texts(
        self, section: Section, following: Section | None, limit: int, heading: str
    ) -> Iterator[tuple[str, BlockKind]]:
        blocks = [block for block in section.blocks if block.text.strip()]
        if not blocks:
            below = following is not None and following.headings[: len(section.headings)] == section.headings
            blocks = [Block(section.headings[-1])] if section.headings and not below else []
        pieces = [piece for block in blocks for piece in self._pieces(block, limit)]
        for run in self._packed(pieces, limit):
            text = _joined(run)
            kinds = {piece.kind for piece in run}
            kind: BlockKind = run[0].kind if len(kinds) == 1 else "text"
            for part in self._fitting(text, heading):
                yield part, kind

    def _fitting(self, text: str, heading: str) -> Iterator[str]:
        """`text`, halved until it really fits: tokens of parts need not add up for every tokenizer."""
        if not text.strip():
            return
        whole = f"{heading}\n{text}" if heading else text
        if len(text) < 2 or self._count(whole) <= self._max_tokens:
            yield text
            return
        middle = _cut(text, 0, len(text) // 2 + 1) if len(text) > 2 else 1
        yield from self._fitting(text[:middle].strip(), heading)
        yield from self._fitting(text[middle:].strip(), heading)

    def _pieces(self, block: Block, limit: int) -> Iterator[_Piece]:
        text = block.text.strip("\n") if block.kind == "code" else block.text.strip()
        if block.kind != "text" and len(text) <= limit * 8:
            tokens = self._tokens(text)
            if tokens <= limit:
                yield _Piece(text, tokens, block.kind, ends_block=True)
                return
        if block.kind == "table":
            yield from self._rows(text, limit)
            return
        spans = _line_spans(text) if block.kind == "code" else sentence_spans(text)
        yield from self._runs(text, spans, block.kind)

    def _runs(self, text: str, spans: Iterable[tuple[int, int]], kind: BlockKind) -> Iterator[_Piece]:
        """Pieces of about a sentence; very long ones in slices, very short ones together."""
        longest = self._target_tokens * 4
        begin, end, tokens = 0, 0, 0
        for start, stop in spans:
            for low, high in _slices(text, start, stop, longest):
                size = self._tokens(text[low:high])
                if tokens and (tokens >= _SMALLEST_PIECE or tokens + size > self._target_tokens):
                    yield _Piece(text[begin:end], tokens, kind, ends_block=False)
                    begin, tokens = low, 0
                end, tokens = high, tokens + size
        if end > begin:
            yield _Piece(text[begin:end], tokens, kind, ends_block=True)

    def _rows(self, table: str, limit: int) -> Iterator[_Piece]:
        """A table too large for one chunk: runs of rows, each under the header row."""
        lines = table.split("\n")
        ruled = len(lines) > 1 and _TABLE_RULE.fullmatch(lines[1]) is not None
        header = "\n".join(lines[: 2 if ruled else 1])
        rows = lines[2 if ruled else 1 :]
        header_tokens = self._tokens(header) if len(header) <= limit * 8 else limit
        if header_tokens > limit // 2:
            yield from self._runs(table, _line_spans(table), "table")
            return
        room = max(limit - header_tokens, 1)
        held: list[str] = []
        used = 0
        for row in rows:
            for low, high in _slices(row, 0, len(row), room * 4):
                part = row[low:high].rstrip()
                size = self._tokens(part)
                if held and used + size > room:
                    yield _Piece("\n".join([header, *held]), header_tokens + used, "table", ends_block=True)
                    held, used = [], 0
                held.append(part)
                used += size
        if held:
            yield _Piece("\n".join([header, *held]), header_tokens + used, "table", ends_block=True)

    def _packed(self, pieces: Sequence[_Piece], limit: int) -> Iterator[Sequence[_Piece]]:
        """The cheapest cut into runs: near the target in size, between paragraphs where possible."""
        target = min(self._target_tokens, limit)
        costs = [0.0]
        starts = [0]
        for end in range(1, len(pieces) + 1):
            tokens, best, choice = 0, float("inf"), end - 1
            inside = 0.0 if pieces[end - 1].ends_block else _INSIDE_PARAGRAPH
            for start in range(end - 1, -1, -1):
                tokens += pieces[start].tokens
                if tokens > limit and start < end - 1:
                    break
                cost = costs[start] + (tokens / target - 1) ** 2 + inside
                if cost < best:
                    best, choice = cost, start
            costs.append(best)
            starts.append(choice)
        cuts = [len(pieces)]
        while cuts[-1] > 0:
            cuts.append(starts[cuts[-1]])
        cuts.reverse()
        for low, high in itertools.pairwise(cuts):
            yield pieces[low:high]

    def _tokens(self, text: str) -> int:
        """Never fewer than a token for eight characters: some tokenizers take any long word for one.

        Nor for any text at all: signs that a tokenizer leaves out would make chunks of any number of pieces.
        """
        least = max(len(text) // _CHARACTERS_A_TOKEN, 1 if text.strip() else 0)
        return max(least, self._count(text) - self._special)


def _with_next(sections: Sequence[Section]) -> Iterator[tuple[Section, Section | None]]:
    for place, section in enumerate(sections):
        yield section, sections[place + 1] if place + 1 < len(sections) else None


def _joined(run: Sequence[_Piece]) -> str:
    parts: list[str] = []
    for piece in run:
        parts.append(piece.text)
        if piece.ends_block:
            parts[-1] = parts[-1].rstrip()
            parts.append("\n\n")
    text = "".join(parts)
    return text.strip("\n").rstrip() if run[0].kind == "code" else text.strip()


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop + 1
        yield start, stop
        start = stop


def _slices(text: str, start: int, stop: int, longest: int) -> Iterator[tuple[int, int]]:
    """`text[start:stop]` in slices of at most `longest` characters, cut between words where there are any."""
    while stop - start > longest:
        cut = _cut(text, start, start + longest)
        yield start, cut
        start = cut
    if stop > start:
        yield start, stop


def _cut(text: str, start: int, stop: int) -> int:
    """The last place between words in `text[start:stop]`, or `stop` where there is none."""
    window = text[start:stop]
    place = max(window.rfind(" "), window.rfind("\n"), window.rfind("\t"))
    return start + place + 1 if place > 0 else stop
