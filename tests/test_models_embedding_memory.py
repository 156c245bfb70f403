"""Embedding in a process of its own: its memory does not follow the number of texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SHARE = 1.15
"""How much more memory four times the documents may take."""

_SYNC = """
import json, random, shutil, sys
from pathlib import Path
from knowledge.catalogue import Catalogue
from knowledge.chunking import Chunker
from knowledge.database import Database
from knowledge.reading import ReaderProcess
from knowledge.sources.folder import FolderSource
from knowledge.sync import Sync
from models.embedding.sentence_transformer import SentenceTransformerEmbedder

folder, pages = Path(sys.argv[1]), int(sys.argv[2])
words = "budget meeting laptop contract holiday travel invoice garden server deploy customer".split()
draw = random.Random(7)
(folder / "pages").mkdir()
for page in range(pages):
    sections = []
    for number in range(12):
        text = " ".join(draw.choices(words, k=draw.randint(5, 110)))
        sections.append(f"## Part {number} of page {page}\\n\\n{text}.\\n")
    (folder / "pages" / f"{page}.md").write_text("\\n".join(sections))
whole = SentenceTransformerEmbedder.from_package().folder
shutil.copytree(whole, folder / "model", copy_function=lambda old, new: Path(new).symlink_to(old))
config = json.loads((whole / "config.json").read_text())
(folder / "model" / "config.json").unlink()
# One layer of the six has batches of the same sizes, in a sixth of the time.
(folder / "model" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
embedder = SentenceTransformerEmbedder(folder / "model", threads=2)
database = Database.open(folder / "groundling.sqlite")
with ReaderProcess() as reader:
    report = Sync(
        folder,
        catalogue=Catalogue(database),
        embedder=embedder,
        reader=reader,
        chunker=Chunker(embedder.count_tokens, embedder.max_tokens),
    ).run([FolderSource("pages", folder / "pages", collection="pages")])
database.close()
assert report.documents == pages and report.chunks >= pages * 12
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak memory")
def test_memory_of_a_sync_does_not_follow_the_number_of_documents(tmp_path: Path) -> None:
    few, many = (_peak_kb(tmp_path / str(pages), pages) for pages in (60, 240))
    assert many < few * SHARE


def _peak_kb(folder: Path, pages: int) -> int:
    """The largest resident memory of a process that syncs so many made-up pages."""
    folder.mkdir()
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", _SYNC, str(folder), str(pages)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
