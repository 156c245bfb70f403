"""What this machine offers a model, and what of it would be used."""

from __future__ import annotations

import os
from pathlib import Path

from models.engine.settings import EnginePlan, EngineSettings
from models.gguf import Header


def plan(path: Path, header: Header, settings: EngineSettings) -> EnginePlan:
    return EnginePlan(
        str(path),
        min(settings.context_tokens, header.context_tokens or settings.context_tokens),
        settings.threads or len(os.sched_getaffinity(0)),
        0,
        settings.kv_type,
        settings.flash_attention,
        settings.batch_tokens or 256,
    )
