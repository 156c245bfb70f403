"""What is wrong with the place where the program runs: its Python, its packages, its data folder.

Rule: as in `bot.doctor`: nothing is changed, nothing contacted, nothing raised.
"""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.finding import Finding

PACKAGES = ("bot", "adapters", "knowledge", "models")
_LITTLE_ROOM = 2**30
_NO_ROOM = 100 * 2**20


def check_python() -> Finding:
    """The interpreter, which must be 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 (a checkout can be run by any Python)
        return Finding("python", "broken", f"{version} is too old; install 3.11 or newer")
    return Finding("python", "ok", f"{version} in {sys.prefix}")


def check_packages(search: Sequence[str]) -> Finding:
    """The program's packages, found on the path `search`, must lie side by side; names the intruder."""
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.machinery.PathFinder.find_spec(name, search)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places:
            return Finding("packages", "broken", f"package {name!r} is missing; install groundling again")
        place = Path(places[0]).resolve()
        if place.parent != home:
            return Finding(
                "packages",
                "broken",
                f"package {name!r} is taken from {place}, not from {home}; "
                "uninstall the other distribution that brings it",
            )
    return Finding("packages", "ok", f"{', '.join(PACKAGES)} from {home}")


def check_data_folder(folder: Path) -> Finding:
    """The data folder must be writable, private and have room."""
    name = "data folder"
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
    except OSError as error:
        mend = "give this user the right, or use another --data"
        return Finding(name, "broken", f"{folder} cannot be reached: {error.strerror}; {mend}")
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, "broken", f"{there} cannot be written; give this user the right, or use --data")
    free = shutil.disk_usage(there).free
    room = f"{free / 2**30:,.1f} GiB free"
    if free < _NO_ROOM:
        return Finding(name, "broken", f"{folder}: only {free / 2**20:,.0f} MiB free; make room on the disk")
    if there != folder:
        return Finding(name, "ok", f"{folder} will be made by the first sync; {room}")
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Finding(name, "warning", f"others may look into {folder}; run: chmod 700 {folder}")
    if free < _LITTLE_ROOM:
        return Finding(name, "warning", f"{folder}: only {free / 2**20:,.0f} MiB free; make room on the disk")
    return Finding(name, "ok", f"{folder}, {room}")
