"""The source that is a folder on this machine.

Rule: nothing outside the folder is ever opened. Each step of the walk goes by name from an open
folder and follows no symbolic link; only regular files are read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from knowledge.errors import SourceUnavailable, Unreadable
from knowledge.sources.patterns import Patterns
from knowledge.sources.source import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that took a file's place must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 100
_Identity = tuple[int, int]
MAX_FILE_BYTES = 512 * 1024 * 1024


class FolderSource:
    """The files below `root`.

    `include` and `exclude` are patterns as in a .gitignore file, relative to the root; a file counts
    when it matches one of `include` (all files, when there is none) and none of `exclude`. Files and
    folders whose name begins with a dot are left out unless `hidden`. Symbolic links are never
    followed, except that `root` itself may be one. A hard link is a file like any other: whoever can
    link a file into the folder could have copied it there. `url` is a template such as
    "https://wiki.example/{path}". Only size and time of a file make its fingerprint. `without` are the
    program's own files and folders: wherever in the folder they lie, under whatever name, they are left out.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        *,
        collection: str | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        hidden: bool = False,
        url: str | None = None,
        without: Sequence[Path] = (),
    ) -> None:
        self._name = name
        self._collection = collection or name
        self._root = root
        self._include = Patterns(include) if include else None
        self._exclude = Patterns(exclude)
        self._hidden = hidden
        self._url = url
        self._without = without
        self._unlisted: dict[str, str] = {}
        self._left_out: frozenset[_Identity] = frozenset()

    @property
    def name(self) -> str:
        return self._name

    @property
    def collection(self) -> str:
        return self._collection

    def entries(self) -> Iterator[Entry]:
        """Every file, in the order of its path. Raises `SourceUnavailable` when the root cannot be listed."""
        self._unlisted = {}
        self._left_out = _identities(self._without)
        root = self._open_root()
        try:
            if _identity(os.fstat(root)) in self._left_out:
                raise SourceUnavailable(
                    f"folder {self._root} holds the program's own files; put the documents into another one"
                )
            yield from self._walk(root, "", 0)
        finally:
            os.close(root)

    def unlisted(self) -> Mapping[str, str]:
        return dict(self._unlisted)

    def wanted(self, path: str) -> bool:
        """Whether `include` and `exclude` let the file `path` be a document."""
        if self._include is not None and not self._include.match(path):
            return False
        return not self._exclude.match(path)

    def read(self, entry: Entry) -> bytes:
        """The body of a file that was listed; up to 512 MB."""
        folder = self._open_root()
        try:
            *above, name = entry.path.split("/")
            for part in above:
                inner = _open_inner(folder, part, _FOLDER)
                os.close(folder)
                folder = inner
            return _read_regular(folder, name)
        finally:
            os.close(folder)

    def _open_root(self) -> int:
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnavailable(f"folder {self._root} cannot be listed: {error.strerror}") from error

    def _walk(self, folder: int, above: str, depth: int) -> Iterator[Entry]:
        try:
            names = sorted(os.listdir(folder), key=_stored_name)
        except OSError as error:
            if not above:
                raise SourceUnavailable(f"folder {self._root} cannot be listed: {error.strerror}") from error
            self._unlisted[above] = f"folder cannot be listed: {error.strerror}"
            return
        for name in names:
            path = f"{above}/{_stored_name(name)}" if above else _stored_name(name)
            if name.startswith(".") and not self._hidden:
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._unlisted[path] = f"cannot be looked at: {error.strerror}"
                continue
            if _identity(status) in self._left_out:
                continue
            if stat.S_ISREG(status.st_mode) and self.wanted(path):
                yield self._entry(path, status)
            elif stat.S_ISDIR(status.st_mode) and not self._exclude.match(f"{path}/"):
                yield from self._inner(folder, name, path, depth)

    def _inner(self, folder: int, name: str, path: str, depth: int) -> Iterator[Entry]:
        if depth >= _DEEPEST:
            self._unlisted[path] = f"folders are nested deeper than {_DEEPEST}"
            return
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                self._unlisted[path] = f"folder cannot be listed: {error.strerror}"
            return
        try:
            yield from self._walk(inner, path, depth + 1)
        finally:
            os.close(inner)

    def _entry(self, path: str, status: os.stat_result) -> Entry:
        return Entry(
            path=path,
            fingerprint=f"{status.st_size}-{status.st_mtime_ns}",
            suffix=PurePosixPath(path).suffix.lower(),
            size=status.st_size,
            updated_at=_time(status.st_mtime),
            url=self._url.replace("{path}", quote(path)) if self._url else None,
        )


def _identities(paths: Sequence[Path]) -> frozenset[_Identity]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):  # what is not there is not in the way
            found.add(_identity(path.stat()))
    return frozenset(found)


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _open_inner(folder: int, name: str, flags: int) -> int:
    if name in ("", ".", ".."):
        raise Unreadable("its path leaves the folder")
    try:
        return os.open(_name_on_disk(folder, name), flags, dir_fd=folder)
    except FileNotFoundError:
        raise Unreadable("it is no longer there") from None
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}") from error


def _read_regular(folder: int, name: str) -> bytes:
    descriptor = _open_inner(folder, name, _FILE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(body) > MAX_FILE_BYTES:
        raise Unreadable(f"larger than {MAX_FILE_BYTES // 2**20} MB")
    return body


def _stored_name(name: str) -> str:
    """A name that is not UTF-8 is kept by its bytes ("caf%E9"); one with a percent sign keeps it as %25."""
    raw = os.fsencode(name)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if 32 < byte < 127 and byte != 37 else f"%{byte:02X}" for byte in raw)
    return name


def _name_on_disk(folder: int, stored: str) -> str:
    if "%" not in stored:
        return stored
    return next((name for name in os.listdir(folder) if _stored_name(name) == stored), stored)


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
