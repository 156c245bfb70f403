"""The threads and the batch size that were measured to be best, kept for this model on this processor.

Rule: what is kept fills only what the settings leave open, and a damaged file is no file.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeGuard

from models.engine.settings import EngineSettings
from models.hardware import processor

FILE = "engine.json"
MOST_THREADS = 1024
MOST_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was best for the model with this sha256 on `cores` cores of the processor `cpu`."""

    sha256: str
    cpu: str
    cores: int
    threads: int
    batch_tokens: int


def tuned(settings: EngineSettings, file: Path, sha256: str) -> EngineSettings:
    """`settings` with `threads` and `batch_tokens` from `file` where they are None and something fits."""
    if settings.threads is not None and settings.batch_tokens is not None:
        return settings
    cpu, cores = processor()
    for known in _read(file):
        if (known.sha256, known.cpu, known.cores) == (sha256, cpu, cores):
            return replace(
                settings,
                threads=settings.threads or known.threads,
                batch_tokens=settings.batch_tokens or known.batch_tokens,
            )
    return settings


def keep(file: Path, sha256: str, *, threads: int, batch_tokens: int) -> Tuning:
    """Writes the values for this machine into `file`, in one step; what is known of others stays."""
    cpu, cores = processor()
    new = Tuning(sha256, cpu, cores, threads, batch_tokens)
    key = (sha256, cpu, cores)
    others = [known for known in _read(file) if (known.sha256, known.cpu, known.cores) != key]
    text = json.dumps({"version": 1, "tuned": [asdict(known) for known in (*others, new)]}, indent=1)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=file.name, dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return new


def _read(file: Path) -> list[Tuning]:
    """What the file holds that makes sense; nothing where it cannot be read."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    entries = held.get("tuned") if isinstance(held, dict) and held.get("version") == 1 else None
    return [known for entry in entries if (known := _tuning(entry))] if isinstance(entries, list) else []


def _tuning(entry: object) -> Tuning | None:
    if not isinstance(entry, dict):
        return None
    sha256, cpu, cores = entry.get("sha256"), entry.get("cpu"), entry.get("cores")
    threads, batch = entry.get("threads"), entry.get("batch_tokens")
    if not isinstance(sha256, str) or not isinstance(cpu, str):
        return None
    if not _within(cores, MOST_THREADS) or not _within(threads, MOST_THREADS):
        return None
    if not _within(batch, MOST_BATCH_TOKENS):
        return None
    return Tuning(sha256, cpu, cores, threads, batch)


def _within(value: object, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
