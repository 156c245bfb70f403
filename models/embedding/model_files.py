"""The files of an embedding model's folder: its small settings, and a hash over all that decides.

Rule: a large file is read once and remembered by path, size and time.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from models.errors import EmbedderUnavailable

_DECIDING = {
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def weights_hash(folder: Path, cache: Path | None) -> str:
    """sha256 over every file that decides the vectors, each by what the file `cache` remembers of it.

    Raises `EmbedderUnavailable` for a folder without weights.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and (path.suffix in {".safetensors", ".bin"} or path.name in _DECIDING)
    )
    if not any(path.suffix in {".safetensors", ".bin"} for path in files):
        raise EmbedderUnavailable(f"{folder} holds no weights: use a complete model folder")
    known = small_json(cache) if cache else None
    remembered: dict[str, str] = known if isinstance(known, dict) else {}
    total, fresh = hashlib.sha256(), False
    for path in files:
        stat = path.stat()
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in remembered:
            with path.open("rb") as file:
                remembered[key] = hashlib.file_digest(file, "sha256").hexdigest()
            fresh = True
        total.update(f"{path.relative_to(folder).as_posix()}={remembered[key]}\n".encode())
    if cache and fresh:
        _remember(cache, remembered)
    return total.hexdigest()


def _remember(cache: Path, known: dict[str, str]) -> None:
    """Best effort: without the file the weights are read once more next time."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
        fresh.write_text(json.dumps(known, indent=1), encoding="utf-8")
        fresh.replace(cache)
    except OSError:
        return


def small_json(path: Path) -> object:
    """What the JSON file says; None where it is missing or broken."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value
