"""Opens zip archives of office formats.

Rule: what an archive unpacks to is known to be small before a byte of it is unpacked.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from knowledge.errors import Unreadable

MAX_MEMBERS: Final = 10_000
MAX_UNPACKED: Final = 256 * 1024 * 1024
MAX_RATIO: Final = 200
_RATIO_COUNTS_FROM: Final = 16 * 1024 * 1024


class Archive:
    """The members of a zip file by name.

    Raises `Unreadable` for a damaged or encrypted archive, and for one that unpacks to more than
    `MAX_UNPACKED` bytes, `MAX_MEMBERS` members or `MAX_RATIO` times its size. zipfile never gives
    more bytes of a member than its entry declares, so the declared sizes are the limit.
    """

    def __init__(self, body: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(BytesIO(body))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise Unreadable("a damaged zip archive") from error
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise Unreadable(f"a zip archive of over {MAX_MEMBERS} members")
        total = sum(member.file_size for member in members)
        if total > MAX_UNPACKED:
            raise Unreadable(f"unpacks to over {MAX_UNPACKED // 2**20} MB")
        if total > _RATIO_COUNTS_FROM and total > MAX_RATIO * len(body):
            raise Unreadable(f"unpacks to over {MAX_RATIO} times its size")
        self._names = {member.filename.lower(): member for member in members}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def names(self) -> Iterator[str]:
        """The names of all members, as they are written."""
        return (member.filename for member in self._names.values())

    def read(self, name: str) -> bytes:
        """The bytes of a member, whatever the case of its name; empty for one that is not there."""
        member = self._names.get(name.lower())
        if member is None:
            return b""
        if member.flag_bits & 0x1:
            raise Unreadable("encrypted")
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, EOFError) as error:
            raise Unreadable(f"a damaged zip archive ({posixpath.basename(name)})") from error
