"""The sections of the configuration that tell what is answered, from what and with what.

Rule: a section checks its own keys; what needs two sections is checked by `bot.config.Config`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bot.config_values import cron, duration, place, reader
from models.engine.address import server_address

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=_NAME, max_length=64)]


class Section(BaseModel):
    """What every section keeps to: no unknown keys, no guessing at types, only finite numbers, lists as tuples."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _lists_are_tuples(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class BotSection(Section):
    """How the bot speaks."""

    persona: str = Field(
        default="", max_length=400, description="One or two sentences about the tone, told to the model."
    )


class SourceSection(Section):
    """One place that documents come from."""

    name: Name = Field(description="Your name for it; its documents' ids begin with it.")
    kind: Literal["folder"] = Field(description="What it is.")
    path: str = Field(
        min_length=1,
        description="The folder; everything below it is read, but for the data folder and this file.",
    )
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
    every: str | None = Field(
        default=None, description="As in [schedule], for this source.", examples=["15m"]
    )
    cron: str | None = Field(
        default=None,
        description="When `serve` syncs it, as in a crontab: minute, hour, day, month, weekday. Goes before `every`.",
        examples=["30 6 * * mon-fri"],
    )
    watch: bool | None = Field(
        default=None, description="As in [schedule], for this source.", examples=[True]
    )

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        return place(value)

    @field_validator("every")
    @classmethod
    def _is_a_duration(cls, value: str | None) -> str | None:
        return value if value is None else duration(value)

    @field_validator("cron")
    @classmethod
    def _is_a_crontab(cls, value: str | None) -> str | None:
        return value if value is None else cron(value)


class CollectionSection(Section):
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
    readers: tuple[str, ...] = Field(
        default=(),
        description='Who may read it in a chat: "everyone", or names such as those of the example. Without it nobody.',
        examples=[["everyone", "slack:channel:C0123456789", "discord:role:123456789012345678"]],
    )

    @field_validator("readers")
    @classmethod
    def _are_readers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(reader, value))


class LoraSection(Section):
    """A LoRA that the model may answer with."""

    name: Name = Field(description="Your name for it.")
    path: str = Field(min_length=1, description="The GGUF file of the LoRA, made for the model in use.")
    scale: float = Field(default=1.0, gt=0, le=4, description="How strongly it works; 1 as it was trained.")

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        return place(value)

    @field_validator("name")
    @classmethod
    def _means_nothing_else(cls, value: str) -> str:
        if value in ("none", "active", "shipped"):
            raise ValueError("it means something else where a LoRA is named; choose another name")
        return value


class RetrievalSection(Section):
    """How passages are found."""

    passages: int = Field(default=8, ge=1, le=20, description="How many passages an answer is made from.")
    per_document: int = Field(default=5, ge=1, le=20, description="How many of them one document may give.")
    reranker: str | None = Field(
        default=None,
        description="Folder of a cross-encoder that puts the passages in order; none without it.",
        examples=["/srv/models/reranker"],
    )
    judge: bool | str = Field(
        default=True,
        description="The small model that tells whether a passage answers a question: the one that is shipped, or a file.",
        examples=["/srv/models/judge.safetensors"],
    )
    refuse_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How sure the search must be of an answer; higher refuses more. Without it a calibrated value.",
        examples=[0.5],
    )

    @field_validator("reranker", "judge")
    @classmethod
    def _are_paths(cls, value: bool | str | None) -> bool | str | None:
        return place(value) if isinstance(value, str) else value


class ModelSection(Section):
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
        default=None,
        ge=1,
        le=1024,
        description="Processor threads; without it all cores.",
        examples=[4],
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
        description='The [[lora]] to answer with, where a collection names no other; "shipped" for the one that ships with the program, "none" for none; without it the one that was activated, else the one that ships, where it was made for the model.',
        examples=["main"],
    )
    parallel: int = Field(default=4, ge=1, le=64, description="Answers that are written at the same time.")
    prompt_memory_mb: int = Field(
        default=256,
        ge=0,
        description="Memory for what was read of ended questions, in MB: what begins alike goes on from there.",
    )
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

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        return value if value is None else place(value)

    @model_validator(mode="after")
    def _server_has_an_address(self) -> ModelSection:
        if self.url is not None:
            server_address(self.url)
        elif self.kind == "server":
            raise ValueError('[model] kind = "server" needs a url, such as "http://127.0.0.1:8080"')
        return self


class EmbeddingSection(Section):
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
        default=None,
        ge=1,
        le=1024,
        description="Processor threads; without it all cores.",
        examples=[4],
    )

    @field_validator("model")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        return value if value is None else place(value)

    @model_validator(mode="after")
    def _prompts_are_of_a_model(self) -> EmbeddingSection:
        if self.model is None and (self.query_prompt is not None or self.document_prompt is not None):
            raise ValueError(
                "[embedding] query_prompt and document_prompt belong to a model of your own: "
                "name it as model, or take them out; the one that is shipped has none"
            )
        return self
