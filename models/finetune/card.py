"""The card of an exported file: what it is, what it was made of, and what was measured, for people and for hubs.

Rule: every number comes from the run or from an evaluation's file, none is typed; no folder of this machine is told.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from models.finetune.layout import ExportError
from models.finetune.lineage import Trained

Relation = Literal["adapter", "merge", "quantized"]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HUB_LICENCE = re.compile(r"[A-Za-z0-9.+-]+")
_KINDS: dict[Relation, str] = {
    "adapter": "A LoRA in GGUF, for use beside its unchanged base",
    "merge": "A language model in GGUF with a LoRA merged into it",
    "quantized": "A language model in GGUF with a LoRA merged into it, its changed tensors rounded to 8 bits",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation's JSON file says: its name, its hash, and its numbers by their place in it."""

    name: str
    sha256: str
    numbers: tuple[tuple[str, float], ...]

    @classmethod
    def from_file(cls, file: Path, *, of: str) -> Evaluation:
        """Reads what an `eval` command wrote with --json. `of` is the sha256 of the file that the card is for:
        an evaluation that names another is refused. Raises ExportError."""
        try:
            content = file.read_bytes()
            told = json.loads(content)
        except (OSError, ValueError, RecursionError) as error:
            raise ExportError(
                f"{file} is no evaluation: {error}; give what eval wrote with --json"
            ) from error
        if not isinstance(told, dict) or not (numbers := tuple(_numbers(told, ""))):
            raise ExportError(f"{file} holds no numbers of an evaluation; give what eval wrote with --json")
        if others := _loras(told) - {of}:
            raise ExportError(f"{file} measured the LoRA {min(others)[:12]}…, not this one ({of[:12]}…)")
        return cls(file.stem, hashlib.sha256(content).hexdigest(), numbers)


@dataclass(frozen=True, slots=True)
class Exported:
    """A file and everything that card and bill of materials say of it."""

    file: Path
    sha256: str
    name: str
    licence: str
    relation: Relation
    architecture: str
    base: str
    base_sha256: str
    base_licence: str | None
    trained: Trained
    evaluation: Evaluation | None = None


def card(exported: Exported) -> str:
    """The card as Markdown behind the metadata that Hugging Face reads."""
    trained = exported.trained
    lines = ["---", *_metadata(exported), "---", "", f"# {exported.name}", ""]
    lines += [f"{_KINDS[exported.relation]}: it answers from numbered passages and cites them.", ""]
    if trained.audience:
        lines += [
            f"**Not for everyone**: it learned from the collections {trained.audience}; whoever uses it must be allowed "
            "to read these.",
            "",
        ]
    lines += _table(
        ("what", "value"),
        [
            ("file", f"`{exported.file.name}`"),
            ("sha256", f"`{exported.sha256}`"),
            ("licence", exported.licence),
            ("base", f"{exported.base} ({exported.base_licence or 'licence not named'})"),
            ("sha256 of the base", f"`{exported.base_sha256}`"),
            ("LoRA", f"rank {trained.rank}, alpha {trained.alpha:g}, on {len(trained.keys)} matrices"),
            (
                "trained",
                f"{trained.step:,} steps, {trained.tokens:,} tokens, {trained.seconds / 60:,.0f} minutes",
            ),
            ("recipe and rows", f"`sha256:{trained.digest}`"),
            *((f"rows `{name}`", f"`sha256:{sha256}`") for name, sha256 in trained.rows.items()),
            *((f"`{name}`", value) for name, value in trained.settings.items()),
            *((f"{name}, version", value) for name, value in trained.versions.items()),
        ],
    )
    lines += ["", "## Data", "", *_table(("data set", "licence"), list(trained.used.items()))]
    lines += ["", "## Measured", ""]
    if exported.evaluation is None:
        lines += ["Nothing yet: no evaluation was given when this file was written."]
    else:
        measured = [(name, f"{value:g}") for name, value in exported.evaluation.numbers]
        lines += [
            f"From `{exported.evaluation.name}`, sha256 `{exported.evaluation.sha256}`.",
            "",
            *_table(("measure", "value"), measured),
        ]
    return "\n".join(lines) + "\n"


def _loras(told: dict[str, Any]) -> set[str]:
    """The sha256s by which an evaluation names the LoRA that it measured; `finetune evaluate` writes it as `lora`,
    where others have a name."""
    model = told.get("model")
    found = {told.get("lora_sha256"), model.get("lora_sha256") if isinstance(model, dict) else None}
    named = {one for one in found if isinstance(one, str)}
    lora = told.get("lora")
    return named | ({lora} if isinstance(lora, str) and _SHA256.fullmatch(lora) else set())


def _metadata(exported: Exported) -> Iterator[str]:
    licence = exported.licence
    if _HUB_LICENCE.fullmatch(licence):
        yield f"license: {_text(licence.lower())}"
    else:
        yield "license: other"
        yield f"license_name: {_text(licence)}"
    yield f"base_model: {_text(exported.base)}"
    yield f"base_model_relation: {exported.relation}"
    yield "library_name: gguf"
    yield "pipeline_tag: text-generation"
    yield "datasets:"
    for origin in exported.trained.used:
        yield f"  - {_text(origin)}"
    if exported.evaluation is None:
        return
    yield "model-index:"
    yield f"  - name: {_text(exported.name)}"
    yield "    results:"
    yield "      - task: {type: question-answering}"
    yield f"        dataset: {{name: {_text(exported.evaluation.name)}, type: {_text(exported.evaluation.name)}}}"
    yield "        metrics:"
    for name, value in exported.evaluation.numbers:
        yield f"          - {{type: {_text(name)}, value: {json.dumps(value)}}}"


def _numbers(told: object, place: str) -> Iterator[tuple[str, float]]:
    """The numbers of nested objects, each by its keys with dots between; lists are single answers."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield from _numbers(value, f"{place}.{key}" if place else str(key))
    elif isinstance(told, int | float) and not isinstance(told, bool) and isfinite(told):
        yield place, told


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    cells = [heads, ("---", "---"), *rows]
    return [f"| {one.replace('|', '/')} | {other.replace('|', '/')} |" for one, other in cells]


def _text(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
