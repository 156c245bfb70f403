"""Puts the parts together as the configuration says; the one place that knows every kind of part.

Rule: a part is made when it is first asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from bot.config import Config, load
from bot.config_sections import SourceSection
from bot.errors import ConfigError
from bot.secret import secret
from knowledge.sources.folder import FolderSource
from models.engine.generator import Generator

if TYPE_CHECKING:
    from bot.assistant import AnswerSettings, Assistant, PassageSearch
    from bot.lora_choice import Loras
    from bot.registry import Registry
    from knowledge.catalogue import Catalogue
    from knowledge.chunking import Chunker
    from knowledge.database import Database
    from knowledge.lancedb import LanceStore
    from knowledge.retrieval import Reranker, Retriever
    from knowledge.sources.source import Source
    from knowledge.store import Searchable
    from knowledge.sync import Sync
    from models.embedding.sentence_transformer import SentenceTransformerEmbedder
    from models.engine.connection import ApiKey
    from models.engine.process import LocalModel
    from models.engine.server import ServerModel
    from models.engine.settings import EngineSettings, Lora
    from models.judge.judge import Judge
    from models.weights import ModelFolder, Weights


def _folder(section: SourceSection, project: Project) -> FolderSource:
    return FolderSource(
        section.name,
        project.path(section.path),
        collection=section.collection,
        include=section.include,
        exclude=section.exclude,
        url=section.url,
        without=[project.data, *([project.file] if project.file else [])],
    )


SOURCES: dict[str, Callable[[SourceSection, Project], Source]] = {
    "folder": _folder,
}
"""How each `kind` of [[source]] is made; a new one is a file in knowledge/sources/ and a line here."""


class Model(Generator, Protocol):
    """A Generator that can be made ready ahead of its first use, and may know how large it is."""

    @property
    def parameters(self) -> int | None:
        """How many numbers the model is made of; None where nobody tells."""

    @property
    def trained(self) -> bool:
        """Whether the model itself, without a LoRA, was trained here to answer from passages."""

    @property
    def loras(self) -> dict[str, str]:
        """The sha256 of each LoRA that it has, as far as they are known."""

    async def start(self) -> None:
        """Makes it ready now instead of at the first use; raises `ModelError`."""


def _gguf(project: Project, parallel: int) -> LocalModel:
    from models.engine.process import LocalModel
    from models.engine.tuned import FILE, tuned

    weights = project.weights()
    settings = replace(project.engine_settings(), parallel=parallel, loras=project.loras(weights))
    settings = tuned(settings, project.data / FILE, weights.sha256)
    return LocalModel(weights.path, settings, identity=weights.identity)


def _server(project: Project, _parallel: int) -> ServerModel:
    from models.engine.server import ServerModel

    section = project.config.model
    return ServerModel(
        section.url or "", name=section.name, key=project.model_key(), context_tokens=section.context_tokens
    )


MODELS: dict[str, Callable[[Project, int], Model | None]] = {
    "gguf": _gguf,
    "server": _server,
    "none": lambda _project, _parallel: None,
}
"""How each `kind` of [model] is made; a new one is a file in models/engine/ and a line here."""


JUDGE_READS, JUDGE_SHARE = 20, 0.5
"""Of how many passages the judge has a say in the order, and how much against the search: docs/decisions/013, 029."""


class Project:
    """A configuration with its data folder, and the parts that they describe. Use it in a `with` statement."""

    def __init__(self, config: Config, *, root: Path, data: Path, file: Path | None = None) -> None:
        self.config = config
        self.file = file
        self.root = root
        self.data = data
        self._open = ExitStack()

    @classmethod
    def open(cls, file: Path, data: Path | None, *, optional: bool = False) -> Project:
        """The project of the configuration `file`; its data folder is `data`, or "data" beside the file.

        `optional` takes the defaults where there is no file. A link stays one, so that it is seen when it leads
        elsewhere; paths begin where it leads now.
        """
        config = Config() if optional and not file.exists() else load(file)
        root = file.resolve().parent
        return cls(config, root=root, data=(data or root / "data").resolve(), file=file.absolute())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def path(self, written: str) -> Path:
        """A path of the configuration: "~" is the home folder, relative ones begin at the configuration."""
        return self.root / Path(written).expanduser()

    @property
    def has_catalogue(self) -> bool:
        """Whether anything was ever synced here; asking does not make the data folder."""
        return (self.data / "groundling.sqlite").exists()

    @functools.cached_property
    def catalogue(self) -> Catalogue:
        from knowledge.catalogue import Catalogue

        return Catalogue(self.database)

    @functools.cached_property
    def database(self) -> Database:
        from knowledge.database import Database

        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = Database.open(self.data / "groundling.sqlite")
        self._open.callback(database.close)
        return database

    @functools.cached_property
    def store(self) -> LanceStore:
        """The index, which must be there and made with the configured embedding model."""
        from knowledge.errors import IndexMismatch, IndexMissing
        from knowledge.lancedb import LanceStore
        from knowledge.sync import INDEX

        state = self.catalogue.index()
        try:
            store = LanceStore.open(self.data / INDEX)
        except IndexMissing:
            raise IndexMissing(
                f"there is no index in {self.data} yet; make it with: groundling sync"
            ) from None
        if state is not None and state.embedder != self.embedder.name:
            raise IndexMismatch(
                f"the index was made with {state.embedder}, the configuration names {self.embedder.name}; "
                "run: groundling sync --rebuild"
            )
        return store

    @functools.cached_property
    def embedder(self) -> SentenceTransformerEmbedder:
        from models.embedding.sentence_transformer import SentenceTransformerEmbedder

        section = self.config.embedding
        cache = self.data / "cache" / "embedders.json" if self.data.is_dir() else None
        if section.model is None:
            return SentenceTransformerEmbedder.from_package(threads=section.threads, hash_cache=cache)
        folder = self.path(section.model)
        if folder.is_dir():
            return SentenceTransformerEmbedder(
                folder,
                query_prompt=section.query_prompt,
                document_prompt=section.document_prompt,
                threads=section.threads,
                hash_cache=cache,
            )
        if section.download:
            os.environ["HF_HUB_OFFLINE"] = "0"  # closed by the program's door; read when the hub is imported
        return SentenceTransformerEmbedder.from_hub(
            section.model,
            allow_download=section.download,
            query_prompt=section.query_prompt,
            document_prompt=section.document_prompt,
            threads=section.threads,
            hash_cache=cache,
        )

    @functools.cached_property
    def chunker(self) -> Chunker:
        from knowledge.chunking import Chunker

        return Chunker(self.embedder.count_tokens, self.embedder.max_tokens)

    @functools.cached_property
    def retriever(self) -> Retriever:
        """The search over this project's index."""
        return self.retriever_over(self.store)

    def retriever_over(self, store: Searchable) -> Retriever:
        """The configured search over any index that was made with the configured embedding model."""
        from bot.likelihood import ReadingReranker
        from knowledge.retrieval import RetrievalSettings, Retriever

        section = self.config.retrieval
        reranker: Reranker | None = None if self.judge is None else ReadingReranker(self.judge)
        settings = RetrievalSettings(per_document=section.per_document)
        if section.reranker is not None:
            from models.embedding.cross_encoder import LocalCrossEncoder

            reranker = LocalCrossEncoder(self.path(section.reranker))
        elif reranker is not None:
            settings = replace(settings, reranked=JUDGE_READS, reranker_share=JUDGE_SHARE)
        return Retriever(store, self.embedder, settings=settings, reranker=reranker)

    @functools.cached_property
    def judge(self) -> Judge | None:
        """The judge of passages; None where the configuration wants none, or none is shipped."""
        from models.embedding.sentence_transformer import SentenceTransformerEmbedder
        from models.judge.judge import Judge, shipped

        wanted = self.config.retrieval.judge
        if wanted is False or (wanted is True and not shipped().is_file()):
            return None
        file = self.path(wanted) if isinstance(wanted, str) else shipped()
        if not file.is_file():
            raise ConfigError(
                f"{file} is not there; set [retrieval] judge to the file of a judge, or to false"
            )
        return Judge(SentenceTransformerEmbedder.from_package().folder, file)

    def load_readers(self) -> None:
        """Loads what reads questions and passages now instead of with the first question."""
        self.embedder.load()
        if self.judge is not None:
            self.judge.load()

    def sources(self) -> list[Source]:
        """The configured sources, in the order of the configuration."""
        if not self.config.source:
            raise ConfigError(
                'the configuration names no source; add one:  [[source]]  name = "handbook"  '
                'kind = "folder"  path = "/srv/handbook"'
            )
        return [SOURCES[section.kind](section, self) for section in self.config.source]

    def sync(self, *, allow_shrink: bool, progress: Callable[[str, int, int], None] | None) -> Sync:
        """The sync of this project, with a reader process that ends with the project."""
        from knowledge.reading import ReaderProcess, ReadingLimits
        from knowledge.sync import Sync
        from knowledge.sync_plan import SyncRules

        limits = self.config.limits
        reader = self._open.enter_context(
            ReaderProcess(
                ReadingLimits(
                    input_bytes=limits.file_mb * 2**20,
                    wall_s=limits.file_seconds * 2,
                    cpu_s=round(limits.file_seconds),
                    memory_bytes=limits.file_memory_mb * 2**20,
                )
            )
        )
        return Sync(
            self.data,
            catalogue=self.catalogue,
            embedder=self.embedder,
            reader=reader,
            chunker=self.chunker,
            rules=SyncRules(shrink_share=limits.removed_share, allow_shrink=allow_shrink),
            progress=progress,
            copies=self.config.schedule.hold,
        )

    @functools.cached_property
    def models(self) -> ModelFolder:
        from models.weights import ModelFolder

        return ModelFolder(self.data / "models")

    def weights(self) -> Weights:
        """The GGUF that [model] names, or the active one; raises `ModelError`."""
        if self.config.model.path is None:
            return self.models.active()
        return self.models.outside(self.path(self.config.model.path))

    @functools.cached_property
    def registry(self) -> Registry:
        """What was evaluated and activated here."""
        from bot.registry import Registry

        return Registry(self.database)

    @property
    def lora_choices(self) -> Loras:
        """Which LoRA answers what, as configuration and registry are now."""
        from bot.lora_choice import Loras
        from models.lora_folder import LoraFolder

        registry = self.registry if self.has_catalogue else None
        return Loras(self.config, registry, LoraFolder(self.data / "lora"), self.path)

    def loras(self, base: Weights) -> tuple[Lora, ...]:
        """Every LoRA that a question may be answered with; raises `BrokenWeights` for a configured one."""
        return self.lora_choices.every(base)

    def engine_settings(self) -> EngineSettings:
        """What [model] says about running a GGUF."""
        from bot.configured import engine_settings

        return engine_settings(self.config.model, self.data / "cache" / "passages")

    def model_key(self) -> ApiKey | None:
        """The key for the model's server; None where the environment has none."""
        from models.engine.connection import ApiKey

        text = secret("GROUNDLING_MODEL_KEY", os.environ)
        try:
            return None if text is None else ApiKey(text)
        except ValueError as error:
            raise ConfigError(f"GROUNDLING_MODEL_KEY is no key: {error}") from None

    def generator(self, *, parallel: int = 1) -> Model | None:
        """The language model, which writes `parallel` answers at once; None where the configuration wants
        none. Raises `ModelError`, also for a file that is no model."""
        return MODELS[self.config.model.kind](self, parallel)

    def answer_settings(self, generator: Model | None) -> AnswerSettings:
        """How questions are answered with `generator`, as configuration and registry are now."""
        from bot.configured import answer_settings
        from bot.question import NO_LORA, SHIPPED_LORA

        named = None if self.config.model.lora in (NO_LORA, SHIPPED_LORA) else self.config.model.lora
        if generator is not None and self.config.model.kind == "gguf":
            named = self.lora_choices.choice(self.weights()).name
        return answer_settings(
            self.config,
            parameters=None if generator is None else generator.parameters,
            trained=generator is not None and generator.trained,
            lora=named,
            loras=generator.loras if generator is not None else {},
        )

    def assistant(
        self,
        generator: Model | None,
        search: PassageSearch | None = None,
        *,
        parallel: int = 1,
        without_model: str | None = None,
        index_version: Callable[[], int] | None = None,
    ) -> Assistant:
        """The assistant that answers from `search` (the index, by default) with `generator`, which gets
        `parallel` questions at once while the others wait in a fair queue; or in quotes, saying
        `without_model`."""
        from bot.assistant import Assistant
        from models.engine.fair_queue import FairQueue

        queue = None
        if generator is not None:
            limits = self.config.limits
            queue = FairQueue(
                generator,
                parallel=parallel,
                most_waiting=limits.questions_waiting,
                most_of_one=limits.questions_of_one,
            )
        return Assistant(
            search or self.retriever,
            self.embedder,
            queue,
            settings=self.answer_settings(generator),
            index_version=index_version or ((lambda: self.store.version) if search is None else (lambda: 0)),
            without_model=without_model,
            judge=self.judge,
        )
