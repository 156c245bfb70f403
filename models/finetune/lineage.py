"""What a run saved, and what a file made of it says about where it comes from.

Rule: everything that is told was written down by the run itself; only names and hashes, never a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gguf
import torch

from models.finetune.layout import ExportError, Place

LIBRARIES = ("torch", "transformers", "llama-cpp-python", "gguf")
_NEEDED = {"lora", "rank", "alpha", "used", "digest", "step"}


@dataclass(frozen=True, slots=True)
class Trained:
    """A LoRA as its run saved it, in `trained`.

    `pairs` are its tensors by name, `used` the data sets with their licences, `digest` that of recipe and
    rows, `audience` the collections whose readers it is for (empty for everyone), `rows` each file of rows with
    its sha256, `start` that of the LoRA it began with, `settings` the recipe, `versions` those of the libraries.
    A run of an earlier version may not have written down `base_sha256` and `places` (None), nor the last
    three (empty). `seconds` and `tokens` are what was trained so far.
    """

    pairs: Mapping[str, torch.Tensor]
    rank: int
    alpha: float
    step: int
    tokens: int
    seconds: float
    used: Mapping[str, str]
    audience: str
    digest: str
    base_sha256: str | None
    places: Mapping[str, Place] | None
    rows: Mapping[str, str]
    start: str | None
    settings: Mapping[str, str]
    versions: Mapping[str, str]

    @classmethod
    def from_file(cls, file: Path) -> Trained:
        """Raises ExportError for a file that no run saved, or that holds no numbers."""
        state = _state(file)
        pairs: Mapping[str, torch.Tensor] = state["lora"]
        if bad := [key for key, tensor in pairs.items() if not bool(torch.isfinite(tensor).all())]:
            raise ExportError(f"{file} has values in {bad[0]} that are no numbers")
        found = state.get("places")
        return cls(
            pairs=pairs,
            rank=int(state["rank"]),
            alpha=float(state["alpha"]),
            step=int(state["step"]),
            tokens=int(state.get("tokens", 0)),
            seconds=float(state.get("seconds", 0.0)),
            used=state["used"],
            audience=str(state.get("audience", "")),
            digest=state["digest"],
            base_sha256=state.get("base"),
            places=None if found is None else {key: Place(*place) for key, place in found.items()},
            rows=state.get("rows", {}),
            start=state.get("start"),
            settings=state.get("settings", {}),
            versions=state.get("versions", {}),
        )

    @property
    def keys(self) -> list[str]:
        """The projections that have a pair, in the order of their names."""
        return sorted(key.removesuffix(".lora_A") for key in self.pairs if key.endswith(".lora_A"))

    def check_base(self, model: Path, sha256: str) -> None:
        """Raises ExportError where the run was for another model than the file with this hash."""
        if self.base_sha256 is not None and self.base_sha256 != sha256:
            raise ExportError(
                f"the LoRA was trained for the model with the sha256 {self.base_sha256[:12]}…, but {model.name} "
                f"has {sha256[:12]}…; make that model the project's, or train on this one"
            )


def library_versions() -> dict[str, str]:
    """The versions of what a training's numbers depend on."""
    return {name: version(name) for name in LIBRARIES}


def add_lineage(writer: gguf.GGUFWriter, trained: Trained, *, base: Path, base_sha256: str) -> None:
    """Writes the keys that name base, data and run; each is a plain text, because llama.cpp shows no lists."""
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base.stem)
    writer.add_base_model_version(0, f"sha256:{base_sha256}")
    writer.add_dataset_count(len(trained.used))
    for number, origin in enumerate(trained.used):
        writer.add_dataset_name(number, origin)
    writer.add_string("groundling.data", _list({f"{one} ({kind})": "" for one, kind in trained.used.items()}))
    # What was learned from a collection may be told to its readers only.
    writer.add_string("groundling.audience", trained.audience or "everyone")
    writer.add_string("groundling.recipe", f"sha256:{trained.digest}")
    writer.add_uint32("groundling.steps", trained.step)
    if trained.start is not None:
        writer.add_string("groundling.start", f"sha256:{trained.start}")
    for key, pairs in (
        ("rows", {name: f"sha256:{sha256}" for name, sha256 in trained.rows.items()}),
        ("settings", trained.settings),
        ("versions", trained.versions),
    ):
        if pairs:
            writer.add_string(f"groundling.{key}", _list(pairs))


def _list(pairs: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}".rstrip() for name, value in pairs.items())


def _state(file: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        if state.keys() >= _NEEDED:
            return state
    except Exception as error:  # a file that is something else fails in as many ways as a pickle can
        raise ExportError(f"{file} is no trained LoRA; name what `finetune train` saved") from error
    raise ExportError(f"{file} is no trained LoRA; name what `finetune train` saved")
