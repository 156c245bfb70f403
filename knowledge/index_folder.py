"""The folder that the search index lives in: which table version readers see, and whether its files are whole.

Rule: a change becomes visible by one atomic rename of `current.json` after everything it names is
written. The index library neither calls fsync nor notices flipped bytes, so both are done here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from knowledge.errors import IndexDamaged, IndexMissing
from knowledge.index_errors import index_errors

T = TypeVar("T")

INDEX = "index.lance"
"""What the folder is called in a data folder."""

CURRENT = "current.json"
CHECKSUMS = "checksums.json"
_TRIES = 3
TABLE_SUFFIX = ".lance"
_NUMBERED = re.compile(r"chunks_\d+")
_HINT = "latest_version_hint.json"
_MANIFEST_END = b"LANC"


@dataclass(frozen=True, slots=True)
class Current:
    """What readers see: a version of a table.

    `complete` lists all versions of this table that hold a whole state, oldest first, `version` last.
    `base` is added to the table's own version, so that the index version grows across tables.
    """

    table: str
    version: int
    base: int
    complete: tuple[int, ...]

    @property
    def index_version(self) -> int:
        """The version that the outside world sees."""
        return self.base + self.version


def read_current(folder: Path) -> Current | None:
    """The published state, None when nothing was ever published. Raises `ValueError` when unreadable."""
    try:
        text = (folder / CURRENT).read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        raw = json.loads(text)
        return Current(
            str(raw["table"]), int(raw["version"]), int(raw["base"]), tuple(map(int, raw["complete"]))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{CURRENT} is broken") from error


def published(folder: Path) -> Current:
    """The published state. Raises `IndexMissing`, `IndexDamaged`."""
    try:
        current = read_current(folder)
    except ValueError as error:
        raise IndexDamaged(f"{error}; run: groundling sync") from error
    if current is None:
        raise IndexMissing("there is no index yet; run: groundling sync")
    return current


def write_current(folder: Path, current: Current) -> None:
    """Publishes `current` in one atomic step that survives a power cut."""
    fields = {
        "table": current.table,
        "version": current.version,
        "base": current.base,
        "complete": list(current.complete),
    }
    write_whole(folder / CURRENT, json.dumps(fields))


def stamp(folder: Path) -> tuple[int, int] | None:
    """Changes whenever another state is published; cheap enough to ask before every search."""
    try:
        status = (folder / CURRENT).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def table_names(folder: Path) -> list[str]:
    """The tables that stand in the folder, published or not."""
    return sorted(entry.name[: -len(TABLE_SUFFIX)] for entry in folder.glob(f"*{TABLE_SUFFIX}"))


def next_table(folder: Path) -> str:
    """A name that no table in the folder has, nor had: "chunks_000007"."""
    numbers = [int(name.rpartition("_")[2]) for name in table_names(folder) if _NUMBERED.fullmatch(name)]
    return f"chunks_{max(numbers, default=0) + 1:06}"


def remove_other_tables(folder: Path, keep: str) -> None:
    """Takes every table but `keep` off the disk."""
    for name in table_names(folder):
        if name != keep:
            shutil.rmtree(folder / f"{name}{TABLE_SUFFIX}", ignore_errors=True)


def set_aside_broken_manifest(table_folder: Path) -> str | None:
    """Renames the newest manifest when it is empty or cut off, so that the one before it counts.

    Gives its name, or None when the newest manifest ends as it should.
    """
    # Manifest names count down from 2**64, so the newest sorts first.
    names = sorted(path.name for path in (table_folder / "_versions").glob("*.manifest"))
    if not names:
        return None
    newest = table_folder / "_versions" / names[0]
    if newest.read_bytes()[-len(_MANIFEST_END) :] == _MANIFEST_END:
        return None
    newest.rename(newest.with_suffix(".broken"))
    return newest.name


def record_checksums(folder: Path, table: str) -> None:
    """Notes the sha256 of every file of the table and makes each durable; known files are not read again."""
    known = _read_checksums(folder)
    found: dict[str, str] = {}
    for path in lasting_files(folder, table):
        name = str(path.relative_to(folder))
        found[name] = known.get(name) or _make_durable(path)
    write_whole(folder / CHECKSUMS, json.dumps(found))


def damaged_files(folder: Path) -> list[str]:
    """One line for each recorded file that is missing or whose bytes are not those that were written."""
    problems = []
    for name, expected in sorted(_read_checksums(folder).items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"index file {name} is missing")
        elif _sha256(path) != expected:
            problems.append(f"index file {name} is not what was written")
    return problems


def missing_files(folder: Path) -> list[str]:
    """Recorded files that are gone or empty; cheap."""
    names = sorted(_read_checksums(folder))
    return [f"index file {name} is missing" for name in names if not _has_content(folder / name)]


def while_it_changes(folder: Path, run: Callable[[], T]) -> T:
    """`run`, again when a writer has taken the state away that it was looking at."""
    for _ in range(_TRIES):
        before = stamp(folder)
        try:
            with index_errors():
                return run()
        except IndexDamaged:
            if stamp(folder) == before:
                raise
    raise IndexDamaged("the index changes faster than it can be read; try again")


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Files made inside are for their owner alone (0600, folders 0700)."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def lasting_files(folder: Path, table: str) -> list[Path]:
    """The files of a table that never change once written: the version hint does, and may be missing or wrong."""
    paths = (path for path in (folder / f"{table}{TABLE_SUFFIX}").rglob("*") if path.is_file())
    return sorted(path for path in paths if path.suffix != ".broken" and path.name != _HINT)


def _read_checksums(folder: Path) -> dict[str, str]:
    try:
        raw = json.loads((folder / CHECKSUMS).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(value) for name, value in raw.items()} if isinstance(raw, dict) else {}


def _make_durable(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Replaces a file of the index in one step that survives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with private_files(), temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
