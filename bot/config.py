"""The configuration file: its sections, its defaults, and what is wrong with it in one line.

Rule: every key is checked, an unknown one is refused with the nearest known name, and no secret is
ever read from here.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from bot.errors import ConfigError

DEFAULT_FILE = Path("groundling.toml")

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=_NAME, max_length=64)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BotSection(_Section):
    """How the bot speaks."""

    name: str = "Groundling"
    persona: str = Field(default="", max_length=400)


class SourceSection(_Section):
    """One place that documents come from. Paths are relative to the configuration file."""

    name: Name
    kind: Literal["folder"]
    path: str
    collection: Name = "main"
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    url: str | None = Field(default=None, description='address of a document, "{path}" stands for its path')

    @field_validator("include", "exclude", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class CollectionSection(_Section):
    """What is particular to one collection of documents."""

    name: Name
    refuse_below: float | None = Field(default=None, ge=0, le=1)


class RetrievalSection(_Section):
    """How passages are found."""

    passages: int = Field(default=5, ge=1, le=20)
    per_document: int = Field(default=3, ge=1, le=20)
    reranker: str | None = None
    refuse_below: float | None = Field(default=None, ge=0, le=1)


class ModelSection(_Section):
    """The language model. Without `path` it is the one chosen by `models use`, or the one that is shipped."""

    kind: Literal["gguf", "none"] = "gguf"
    path: str | None = None
    context_tokens: int = Field(default=4096, ge=512)
    max_answer_tokens: int = Field(default=160, ge=16, le=4096)
    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int = 0
    threads: int | None = Field(default=None, ge=1)
    gpu_layers: int | Literal["auto"] = "auto"
    kv_type: Literal["f16", "q8_0"] = "f16"
    deadline_s: float = Field(default=120.0, gt=0)


class EmbeddingSection(_Section):
    """The embedding model: a local folder, or a hub id when `download` allows it; without it the shipped one."""

    model: str | None = None
    query_prompt: str = ""
    document_prompt: str = ""
    download: bool = False
    batch: int = Field(default=32, ge=1, le=1024)
    threads: int | None = Field(default=None, ge=1)


class LimitsSection(_Section):
    """What one file, one question and one sync may cost."""

    file_mb: int = Field(default=64, ge=1)
    file_seconds: float = Field(default=30.0, gt=0)
    file_memory_mb: int = Field(default=1024, ge=128)
    question_characters: int = Field(default=4000, ge=100)
    removed_share: float = Field(default=0.5, gt=0, le=1)


class Config(_Section):
    """The whole file."""

    bot: BotSection = BotSection()
    source: tuple[SourceSection, ...] = ()
    collection: tuple[CollectionSection, ...] = ()
    retrieval: RetrievalSection = RetrievalSection()
    model: ModelSection = ModelSection()
    embedding: EmbeddingSection = EmbeddingSection()
    limits: LimitsSection = LimitsSection()

    @field_validator("source", "collection", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        for kind, names in (
            ("source", [s.name for s in self.source]),
            ("collection", [c.name for c in self.collection]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two [[{kind}]] are called {twice[0]!r}; give each its own name")
        return self


def load(path: Path) -> Config:
    """Reads and checks `path`; raises `ConfigError` with one line that names the key and the mend."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; make one with: groundling init") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_first_line(error)}") from None
    return parse(text, str(path))


def parse(text: str, origin: str) -> Config:
    """The configuration in `text`; `origin` names it in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin} is not valid TOML: {_first_line(error)}") from None
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error, table)}") from None


def _explain(error: ValidationError, table: dict[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    where = first["loc"]
    key = _dotted(where)
    match first["type"]:
        case "extra_forbidden":
            known = sorted(_known_keys(where[:-1]))
            near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            return f"unknown key {key!r}; {hint}"
        case "missing":
            return f"{key!r} is missing; add it"
        case "value_error":
            return str(first["ctx"]["error"])
        case _:
            return f"{key} = {_shown(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_keys(where: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Config
    for part in where:
        if isinstance(part, str):
            model = _section_of(model.model_fields[part])
    return set(model.model_fields)


def _section_of(field: FieldInfo) -> type[BaseModel]:
    kind = field.annotation
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    raise TypeError(f"{kind} holds no section")


def _dotted(where: tuple[int | str, ...]) -> str:
    out = ""
    for part in where:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).splitlines()[0]
