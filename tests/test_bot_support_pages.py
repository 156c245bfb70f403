"""Whatever a page says is carried by that page: the support check raises no alarm over real text."""

from collections.abc import Iterator
from pathlib import Path

from bot.evidence import units
from bot.support import check
from knowledge.chunking import Chunker
from knowledge.documents import Document, Passage
from knowledge.readers.md import read
from knowledge.sentences import sentence_spans

PAGES = sorted((Path(__file__).parent.parent / "examples" / "organisations").glob("*/*.md"))[::12]


def _passages() -> Iterator[Passage]:
    chunker = Chunker(lambda text: len(text) // 4 + 2, 256)
    for page in PAGES:
        reading = read(page.read_bytes())
        document = Document(
            f"x:{page.name}", reading.title or page.stem, None, reading.sections, "", None, "main", "x"
        )
        for chunk in chunker.chunk(document):
            yield Passage(chunk, document.title, None, 1.0, 0.5, None, "x", "main")


def test_sentences_and_rows_of_real_pages_are_supported_by_their_own_passage() -> None:
    asked, refused = 0, []
    for passage in _passages():
        found = units([passage])
        for unit in found:
            for start, end in sentence_spans(unit.reading):
                sentence = unit.reading[start:end].strip()
                carried = check(sentence, [passage], found, "en")
                asked += 1
                if carried.unit is None and carried.reason != "says nothing":
                    refused.append((carried.reason, sentence))
    assert asked > 1000
    assert not refused
