"""Real files of every kind are read or refused in one line; none crashes, hangs or loses the next."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.reading import ReaderProcess, ReadingLimits

FILES = Path(__file__).parent.parent.parent / "shared" / "data" / "files"
A_KIND = 4
LARGEST = 400_000

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason=f"no real files in {FILES}")


@pytest.fixture(scope="module")
def process() -> Iterator[ReaderProcess]:
    with ReaderProcess(ReadingLimits(wall_s=60, cpu_s=20)) as process:
        yield process


def words(text: str) -> collections.Counter[str]:
    return collections.Counter(re.findall(r"\w+", text.lower()))


def written(reading: Reading) -> str:
    parts = [reading.title or ""]
    for section in reading.sections:
        parts.extend(section.headings)
        parts.extend(block.text for block in section.blocks)
    return "\n".join(parts)


def sample() -> list[Path]:
    kinds: dict[str, list[Path]] = collections.defaultdict(list)
    for path in sorted(FILES.rglob("*")):
        if path.is_file() and path.stat().st_size <= LARGEST:
            kinds[path.suffix.lower()].append(path)
    return [path for paths in kinds.values() for path in paths[:: max(1, len(paths) // A_KIND)][:A_KIND]]


def test_a_sample_of_every_kind_is_read_or_refused_in_one_line(process: ReaderProcess) -> None:
    paths = sample()
    assert len(paths) > 80
    refused: dict[Path, str] = {}
    for path in paths:
        try:
            reading = process.read(path.read_bytes(), suffix=path.suffix.lower())
        except Unreadable as error:
            refused[path] = error.reason
        else:
            assert all(block.text.strip() for section in reading.sections for block in section.blocks), path
            assert "\0" not in written(reading), path
    assert len(refused) < len(paths) / 2
    for path, reason in refused.items():
        assert reason.isprintable(), path
        assert not reason.startswith(("crashes", "takes over", "needs more")), path


@pytest.mark.parametrize(
    ("kind", "least"), [("md", 0.99), ("html", 0.9), ("csv", 0.99), ("docx", 0.95), ("pptx", 0.95)]
)
def test_the_words_of_real_documents_are_found(process: ReaderProcess, kind: str, least: float) -> None:
    recalls = []
    for expected in sorted((FILES / "docling" / kind / "groundtruth").glob(f"*.{kind}.md"))[:20]:
        source = expected.parent.parent / "sources" / expected.stem
        if not source.is_file():
            continue
        wanted = words(re.sub(r"<!--.*?-->|\]\([^)\s]*\)", " ", expected.read_text("utf-8"), flags=re.DOTALL))
        found = words(written(process.read(source.read_bytes(), suffix=f".{kind}")))
        recalls.append((wanted & found).total() / max(1, wanted.total()))
    assert recalls
    assert sorted(recalls)[len(recalls) // 2] >= least


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unstructured/pdf/password.pdf", "encrypted"),
        ("unstructured/password_protected.xlsx", "encrypted"),
        ("unstructured/empty.txt", "empty"),
        ("unstructured/fake-text-all-whitespace.txt", "empty"),
    ],
)
def test_known_bad_files_are_refused_for_their_reason(process: ReaderProcess, name: str, reason: str) -> None:
    path = FILES / name
    with pytest.raises(Unreadable) as caught:
        process.read(path.read_bytes(), suffix=path.suffix)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "name",
    [
        "unstructured/fake-text-utf-16-be.txt",
        "unstructured/fake-text-utf-16-le.txt",
        "unstructured/fake-text-utf-32.txt",
        "unstructured/eml/fake-email-utf-16-be.eml",
        "unstructured/umlauts-non-utf8.md",
        "markitdown/markitdown/tests/test_files/test_mskanji.csv",
    ],
)
def test_old_encodings_are_read(process: ReaderProcess, name: str) -> None:
    path = FILES / name
    text = written(process.read(path.read_bytes(), suffix=path.suffix))
    assert "\ufffd" not in text
    assert any(word in text for word in ("This is a test", "können", "名前"))
