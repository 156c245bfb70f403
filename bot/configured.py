"""What the configuration says about answers and their model, in the words of the parts that keep to it.

Rule: nothing is opened here, and no key is read anywhere else in another sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from bot.assistant import AnswerSettings, Quote
from bot.config import Config
from bot.config_sections import ModelSection
from models.engine.generator import Sampling
from models.engine.settings import EngineSettings

SMALL_MODEL = 1_000_000_000
"""Parameters below which a model reads the evidence alone and writes two sentences, which the documents' own words
follow. With the passage cache it reads three whole passages instead, since those are kept."""


def answer_settings(
    config: Config,
    *,
    parameters: int | None,
    lora: str | None,
    loras: Mapping[str, str],
    trained: bool = False,
) -> AnswerSettings:
    """How questions are answered by a model with so many `parameters`, and with `lora` of the `loras` with
    these sha256 where nothing else is named; by a `trained` model as with a LoRA.

    A model of unknown size is one that somebody runs a server for.
    """
    small = parameters is not None and parameters < SMALL_MODEL
    bound = config.retrieval.refuse_below
    return AnswerSettings(
        passages=config.retrieval.passages,
        max_answer_tokens=config.model.max_answer_tokens,
        deadline_s=config.model.deadline_s,
        question_characters=config.limits.question_characters,
        persona=config.bot.persona,
        quote=_quote(config.model.quote, small=small),
        most_sentences=2 if small else AnswerSettings().most_sentences,
        prompt_passages=3 if small else config.retrieval.passages,
        pointing=small,
        only_evidence=small and not config.model.passage_cache,
        sampling=Sampling(temperature=config.model.temperature, seed=config.model.seed),
        refuse_below=bound,
        refuse_below_in={c.name: c.refuse_below for c in config.collection if c.refuse_below is not None},
        lora=lora,
        lora_in={c.name: c.lora for c in config.collection if c.lora is not None},
        lora_sha256=loras,
        trained=trained,
    )


def engine_settings(section: ModelSection, passages: Path) -> EngineSettings:
    """What [model] says about running a GGUF; read passages are kept in the folder `passages`."""
    return EngineSettings(
        context_tokens=section.context_tokens,
        threads=section.threads,
        gpu_layers=section.gpu_layers,
        kv_type=section.kv_type,
        flash_attention=section.flash_attention,
        split=section.split,
        parallel=section.parallel,
        prompt_memory_mb=section.prompt_memory_mb,
        passage_cache=section.passage_cache,
        passage_memory_mb=section.passage_memory_mb,
        passage_disk_mb=section.passage_disk_mb,
        passages=passages,
    )


def _quote(wanted: Literal["auto", "always", "never"], *, small: bool) -> Quote:
    """When the documents' own words follow the model's: below a small model's."""
    if wanted == "auto":
        return "always" if small else "never"
    return wanted
