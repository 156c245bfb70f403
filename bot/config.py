"""The configuration file: its sections, its defaults, and what is wrong with it in one line.

Rule: every key is checked, an unknown one is refused with the nearest known name, and no secret is
ever read from here.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from bot.errors import ConfigError
from models.engine.address import server_address

DEFAULT_FILE = Path("groundling.toml")

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=_NAME, max_length=64)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BotSection(_Section):
    """How the bot speaks."""

    persona: str = Field(
        default="", max_length=400, description="One or two sentences about the tone, told to the model."
    )


class SourceSection(_Section):
    """One place that documents come from."""

    name: Name = Field(description="Your name for it; its documents' ids begin with it.")
    kind: Literal["folder"] = Field(description="What it is.")
    path: str = Field(min_length=1, description="The folder; everything below it is read.")
    collection: Name = Field(default="main", description="The collection that its documents belong to.")
    include: tuple[str, ...] = Field(
        default=("**",), description="Only files that match one of these patterns, as in .gitignore."
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Not the files that match one of these patterns.",
        examples=[["drafts/", "*.tmp"]],
    )
    url: str | None = Field(
        default=None,
        description='The address of a document; "{path}" stands for its path.',
        examples=["https://wiki.example.org/{path}"],
    )

    @field_validator("include", "exclude", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class CollectionSection(_Section):
    """What is particular to one collection of documents."""

    name: Name = Field(description="The collection, as the sources name it.")
    refuse_below: float | None = Field(
        default=None, ge=0, le=1, description="As in [retrieval], for this collection.", examples=[0.5]
    )
    lora: str | None = Field(
        default=None,
        description="The [[lora]] to answer with when the best passage is of this collection.",
        examples=["main"],
    )


class LoraSection(_Section):
    """A LoRA that the model may answer with."""

    name: Name = Field(description="Your name for it.")
    path: str = Field(min_length=1, description="The GGUF file of the LoRA, made for the model in use.")
    scale: float = Field(default=1.0, gt=0, le=4, description="How strongly it works; 1 as it was trained.")


class RetrievalSection(_Section):
    """How passages are found."""

    passages: int = Field(default=8, ge=1, le=20, description="How many passages an answer is made from.")
    per_document: int = Field(default=5, ge=1, le=20, description="How many of them one document may give.")
    reranker: str | None = Field(
        default=None,
        description="Folder of a cross-encoder that puts the passages in order; none without it.",
        examples=["/srv/models/reranker"],
    )
    refuse_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How sure the search must be of an answer; higher refuses more. Without it a calibrated value.",
        examples=[0.5],
    )


class ModelSection(_Section):
    """The language model that writes the answers."""

    kind: Literal["gguf", "server", "none"] = Field(
        default="gguf",
        description='"server" asks an OpenAI-compatible server; "none" answers in the documents\' own words.',
    )
    path: str | None = Field(
        default=None,
        description="A GGUF file; without it the one chosen by `models use`, else the one that is shipped.",
        examples=["/srv/models/model.gguf"],
    )
    url: str | None = Field(
        default=None,
        description="Where the server listens; its key comes from GROUNDLING_MODEL_KEY or GROUNDLING_MODEL_KEY_FILE.",
        examples=["http://127.0.0.1:8080"],
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        description="What the server calls the model; without it the only one it offers.",
        examples=["qwen3-8b"],
    )
    context_tokens: int = Field(
        default=4096, ge=512, description="How much text it sees at once; at most what it was trained for."
    )
    max_answer_tokens: int = Field(
        default=160, ge=16, le=4096, description="The longest answer, in tokens (about 0.7 words each)."
    )
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="0 always takes the likeliest word, so answers repeat exactly."
    )
    seed: int = Field(default=0, description="Start of the chance, where the temperature is above 0.")
    threads: int | None = Field(
        default=None, ge=1, description="Processor threads; without it all cores.", examples=[4]
    )
    gpu_layers: int | Literal["auto"] = Field(
        default="auto", description='Layers on the GPU; "auto" takes what fits its memory, -1 takes all.'
    )
    kv_type: Literal["f16", "q8_0"] = Field(
        default="f16", description='How the context is kept; "q8_0" takes half the memory.'
    )
    flash_attention: Literal["auto", "on", "off"] = Field(
        default="auto", description='Attention in one pass, with less memory; "auto" lets llama.cpp decide.'
    )
    split: Literal["layer", "row", "none"] = Field(
        default="layer", description='How a model is spread over several GPUs; "none" takes one.'
    )
    lora: str | None = Field(
        default=None,
        description="The [[lora]] to answer with, where a collection names no other.",
        examples=["main"],
    )
    parallel: int = Field(default=4, ge=1, le=64, description="Answers that are written at the same time.")
    passage_cache: bool = Field(
        default=False,
        description="Whether each passage is read once and what was read is kept: answers begin sooner, and may differ.",
    )
    passage_memory_mb: int = Field(
        default=256, ge=1, description="Memory that read passages may take, in MB."
    )
    passage_disk_mb: int = Field(
        default=2048,
        ge=0,
        description="Room that read passages may take in the data folder, in MB.",
    )
    deadline_s: float = Field(default=120.0, gt=0, description="Seconds that an answer may take.")
    quote: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether the documents' own words follow the model's; \"auto\" for models under a billion parameters.",
    )

    @model_validator(mode="after")
    def _server_has_an_address(self) -> ModelSection:
        if self.url is not None:
            server_address(self.url)
        elif self.kind == "server":
            raise ValueError('[model] kind = "server" needs a url, such as "http://127.0.0.1:8080"')
        return self


class EmbeddingSection(_Section):
    """The model that turns text into vectors."""

    model: str | None = Field(
        default=None,
        description="A local folder, or a hub id where `download` allows it; without it the one that is shipped.",
        examples=["/srv/models/embedder"],
    )
    query_prompt: str | None = Field(
        default=None,
        description="Put before each question; without it what the model itself names.",
        examples=["query: "],
    )
    document_prompt: str | None = Field(
        default=None,
        description="Put before each piece of a document; without it what the model itself names.",
        examples=["passage: "],
    )
    download: bool = Field(default=False, description="Whether the model may be fetched from the hub.")
    threads: int | None = Field(
        default=None, ge=1, description="Processor threads; without it all cores.", examples=[4]
    )


class LimitsSection(_Section):
    """What one file, one question, one asker and one sync may cost."""

    file_mb: int = Field(default=64, ge=1, description="The largest file that is read, in MB.")
    file_seconds: float = Field(
        default=30.0, gt=0, description="Processor seconds that reading a file may take."
    )
    file_memory_mb: int = Field(
        default=1024, ge=128, description="Memory that reading a file may take, in MB."
    )
    question_characters: int = Field(default=4000, ge=100, description="The longest question, in characters.")
    questions_waiting: int = Field(
        default=64, ge=1, description="Questions that may wait for the model; more are told that it is busy."
    )
    questions_of_one: int = Field(default=8, ge=1, description="How many of them one asker may have.")
    removed_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A sync that would remove a larger share of a source's documents holds back.",
    )


class Config(_Section):
    """The whole file."""

    bot: BotSection = BotSection()
    source: tuple[SourceSection, ...] = ()
    collection: tuple[CollectionSection, ...] = ()
    lora: tuple[LoraSection, ...] = ()
    retrieval: RetrievalSection = RetrievalSection()
    model: ModelSection = ModelSection()
    embedding: EmbeddingSection = EmbeddingSection()
    limits: LimitsSection = LimitsSection()

    @field_validator("source", "collection", "lora", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _names_are_unique(self) -> Config:
        for kind, names in (
            ("source", [s.name for s in self.source]),
            ("collection", [c.name for c in self.collection]),
            ("lora", [one.name for one in self.lora]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two [[{kind}]] are called {twice[0]!r}; give each its own name")
        return self

    @model_validator(mode="after")
    def _loras_are_known(self) -> Config:
        known = [one.name for one in self.lora]
        wanted = [self.model.lora, *(collection.lora for collection in self.collection)]
        for name in wanted:
            if name is not None and name not in known and self.model.kind == "gguf":
                raise ValueError(
                    f"there is no [[lora]] called {name!r}; there is: {', '.join(known) or 'none'}"
                )
        return self


def load(path: Path) -> Config:
    """Reads and checks `path`; raises `ConfigError` with one line that names the key and the mend."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; make one with: groundling init") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    return parse(text, str(path))


def parse(text: str, origin: str) -> Config:
    """The configuration in `text`; `origin` names it in errors."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin} is not valid TOML: {_one_line(str(error))}") from None
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_one_line(f"{origin}: {_explain(error)}")) from None


def sections() -> dict[str, type[BaseModel]]:
    """Every section by its name, in the order of the file; those of `LISTED` are written [[name]]."""
    found = {name: _section_of(field) for name, field in Config.model_fields.items()}
    return {name: section for name, section in found.items() if section is not None}


LISTED = ("source", "collection", "lora")
"""The sections that may stand more than once."""


def _explain(error: ValidationError) -> str:
    # A misspelt key is the cause of the key that is missing, so it is told first.
    problems = error.errors(include_url=False)
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
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
        case "string_pattern_mismatch":
            shape = "letters, digits, dots, dashes and underscores, beginning with a letter or digit"
            return f"{key} = {_shown(first['input'])}: it may hold {shape}"
        case "tuple_type" | "model_type" if str(where[-1]) in Config.model_fields or isinstance(
            where[-1], int
        ):
            brackets = f"[[{where[0]}]]" if where[0] in LISTED else f"[{where[0]}]"
            return f"{key!r} is a section; write it as {brackets} with its keys below"
        case _:
            said = [problem["msg"] for problem in problems if _dotted(problem["loc"]) == key]
            expected = " or ".join(dict.fromkeys(map(_plain, said))).replace(" or be ", " or ")
            return f"{key} = {_shown(first['input'])}: it should {expected}"


_PLAIN = {
    "a valid string": "text in quotes",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid tuple": "a list in [brackets]",
}


def _plain(message: str) -> str:
    """Pydantic's "Input should be ..." as what comes after "it should"."""
    wanted = message.partition(" should ")[2] or f"not be so ({message})"
    return "be " + _PLAIN[wanted.removeprefix("be ")] if wanted.removeprefix("be ") in _PLAIN else wanted


def _known_keys(where: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Config
    for part in where:
        if isinstance(part, str):
            model = _section_of(model.model_fields.get(part)) or model
    return set(model.model_fields)


def _section_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The section that a key holds, None for a plain value."""
    kind = field.annotation if field else None
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _dotted(where: tuple[int | str, ...]) -> str:
    """The place of a key in the words of the file: "source[2].path"."""
    out = ""
    inside: type[BaseModel] | None = Config
    for part in where:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        elif inside is None:
            break  # the validator's name for a branch of a union
        else:
            out += f".{part}" if out else part
            inside = _section_of(inside.model_fields.get(part))
    return out


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
