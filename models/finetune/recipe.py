"""What a training run is to do, as a TOML file that a person can read and run again.

Rule: a recipe names everything that decides the result; an unknown key is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from models.lora_folder import shipped_lora

SHIPPED = "shipped"
_PROJECTIONS_ONLY = "the LoRA is on the seven projections of every layer"
_NOT_EXPORTABLE = {
    "dora": "a GGUF LoRA has no room for DoRA's magnitudes",
    "rslora": "llama.cpp scales by alpha / rank; for rsLoRA's strength write alpha times the root of the rank",
    "lm_head": "with tied embeddings llama.cpp cannot change the output alone; " + _PROJECTIONS_ONLY,
    "modules_to_save": "a GGUF LoRA holds pairs of matrices only, no whole layers",
    "alpha_pattern": "a GGUF LoRA has one alpha for all its tensors",
    "rank_pattern": "one rank for all tensors is what is trained here",
    "target_modules": _PROJECTIONS_ONLY,
    "bias": "a GGUF LoRA holds pairs of matrices only, no biases",
    "new_tokens": "the base's vocabulary is the served one's, and stays as it is",
}
"""Options known from other trainers that llama.cpp could not serve, each with the reason; refused before training."""


class RecipeError(ValueError):
    """The recipe cannot be run; one line that says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A LoRA of `rank` and `alpha` for the GGUF `base`, trained on `rows` into the folder `out`.

    `base` may be a Hugging Face folder with the same model's weights as they were before they were quantised;
    then `gguf` names the file that will be served, whose tokens are read.

    The rows are read `epochs` times; with `minutes` the run ends then at the latest. The learning rate
    rises over the first `warmup` of the run and falls to zero at its end, whichever end comes first.
    `batch_tokens` bounds a batch with what fills it up. `apart` is the share of batches whose passages are
    read apart, as with the passage cache on; the others are read from the first to the last token.
    With `start` the run begins with an exported LoRA of the same base, rank and alpha.
    """

    base: Path
    rows: tuple[Path, ...]
    out: Path
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 5e-4
    epochs: int = 1
    minutes: float | None = None
    warmup: float = 0.03
    batch_tokens: int = 2048
    apart: float = 0.75
    most_tokens: int = 2048
    checkpoint_s: float = 240.0
    threads: int = 1
    seed: int = 0
    gguf: Path | None = None
    start: Path | None = None

    @classmethod
    def from_file(cls, file: Path) -> Recipe:
        """Relative paths begin at the recipe's folder; `start` may be "shipped". Raises RecipeError."""
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RecipeError(f"{file} cannot be read as a recipe: {str(error).splitlines()[0]}") from error
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(table) - known):
            raise RecipeError(f"{file} has the key {unknown[0]!r}, which no recipe has{_why(unknown[0])}")
        for name in ("base", "rows", "out"):
            if name not in table:
                raise RecipeError(f"{file} does not name its {name!r}")
        folder = file.resolve().parent
        rows = table.pop("rows")
        if not isinstance(rows, list) or not rows:
            raise RecipeError(f"{file}: rows must be a list of files")
        base, out, *files = (
            folder / Path(str(one)).expanduser() for one in (table.pop("base"), table.pop("out"), *rows)
        )
        if table.get("start") == SHIPPED:
            table["start"] = shipped_lora()
        for name in {"gguf", "start"} & set(table):
            table[name] = folder / Path(str(table[name])).expanduser()
        recipe = cls(base=base, rows=tuple(files), out=out, **table)
        recipe.check()
        return recipe

    def check(self) -> None:
        """Raises RecipeError for a value that cannot be meant."""
        bounds: dict[str, tuple[float, float]] = {
            "rank": (1, 256),
            "alpha": (0.001, 4096),
            "learning_rate": (1e-7, 0.1),
            "epochs": (1, 1000),
            "warmup": (0, 0.5),
            "batch_tokens": (64, 10**6),
            "apart": (0, 1),
            "most_tokens": (64, 10**6),
            "checkpoint_s": (0, 10**6),
            "threads": (1, 1024),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise RecipeError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        if self.minutes is not None and not (isinstance(self.minutes, int | float) and self.minutes > 0):
            raise RecipeError("minutes must be a number above 0")
        if self.base.is_dir() and self.gguf is None:
            raise RecipeError(
                f'{self.base} is a folder; name the GGUF of the same model that will be served: gguf = "FILE"'
            )
        if self.base.is_dir() and not list(self.base.glob("*.safetensors")):
            raise RecipeError(f"{self.base} has no *.safetensors, so there are no weights to train")
        if self.gguf is not None and not self.base.is_dir():
            raise RecipeError(f"gguf is for a base that is a folder, but {self.base} is none; leave it out")
        files = [] if self.base.is_dir() else [self.base]
        files += [self.served, *self.rows, *([] if self.start is None else [self.start])]
        for path in files:
            if not path.is_file():
                raise RecipeError(f"{path} is not there")

    @property
    def served(self) -> Path:
        """The GGUF whose tokens are read, and for which the LoRA will be exported."""
        return self.gguf or self.base

    def settings(self) -> dict[str, str]:
        """What decides the result, without any folder: for the files that are made of it."""
        left_out = {"base", "rows", "out", "gguf", "start", "checkpoint_s", "threads"}
        fields = [field.name for field in dataclasses.fields(self) if field.name not in left_out]
        return {name: f"{getattr(self, name)}" for name in fields if getattr(self, name) is not None}

    def digest(self) -> str:
        """Changes with whatever a run that is resumed must share with the one that was ended."""
        later = {"out", "minutes", "checkpoint_s", "threads", "start", *([] if self.gguf else ["gguf"])}
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in later}
        values["base"], values["rows"] = self.base.name, tuple(path.name for path in self.rows)
        if self.gguf:
            values["gguf"] = self.gguf.name
        digest = hashlib.sha256(repr(sorted(values.items())).encode())
        for path in (*self.rows, *([] if self.start is None else [self.start])):
            digest.update(path.read_bytes())
        return digest.hexdigest()


def _why(key: str) -> str:
    """The reason for a key that other trainers have; nothing for any other."""
    name = key.lower().removeprefix("use_")
    return f": {_NOT_EXPORTABLE[name]}" if name in _NOT_EXPORTABLE else ""
