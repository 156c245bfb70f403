"""One GGUF model in this process: its weights and its words, over llama.cpp's low-level interface.

Rule: only this file, context.py and choosing.py import llama_cpp; one thread uses them, and what comes out
of them is tokens, bytes and numpy arrays.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import llama_cpp

from models.engine.settings import EnginePlan, Lora

Pointer: TypeAlias = Any  # an opaque handle of llama.cpp

LLAMA_CPP = str(llama_cpp.__version__)

_NO = False  # llama.cpp's functions take their switches by place
_SPLIT = {
    "none": llama_cpp.LLAMA_SPLIT_MODE_NONE,
    "layer": llama_cpp.LLAMA_SPLIT_MODE_LAYER,
    "row": llama_cpp.LLAMA_SPLIT_MODE_ROW,
}

_WARNING, _ERROR = 3, 4  # of ggml.h's ggml_log_level
_errors: list[str] = []  # the first only: it is the cause, those after it are its consequences


def _log(level: int, text: bytes, _data: object) -> None:
    if level in (_WARNING, _ERROR):
        line = text.decode("utf-8", "replace").strip()
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the child's log
        if level == _ERROR and line and not _errors:
            _errors.append(line)


_LOG = llama_cpp.llama_log_callback(_log)  # llama.cpp keeps no reference to it


def hear_anew() -> None:
    """Forgets the errors so far, before something that may fail on its own account."""
    _errors.clear()


def complaint() -> str:
    """The first error that llama.cpp has logged since `hear_anew`, to be put behind a message."""
    return f": {_errors[0]}" if _errors else ""


class LoadError(RuntimeError):
    """llama.cpp refused the file or the memory."""


class Llama:
    """The weights of a model, ready for any number of contexts."""

    def __init__(self, plan: EnginePlan, *, progress: Callable[[], None]) -> None:
        llama_cpp.llama_log_set(_LOG, None)
        llama_cpp.llama_backend_init()
        self.plan = plan
        self.model = _load(plan, progress)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary = int(llama_cpp.llama_vocab_n_tokens(self.vocab))
        self._loras: dict[Lora, Pointer] = {}

    @property
    def chat_template(self) -> str | None:
        """The template in the file's metadata, if it has one."""
        found = llama_cpp.llama_model_chat_template(self.model, None)
        return found.decode("utf-8", "replace") if found else None

    @property
    def forgets_only_whole(self) -> bool:
        """Whether the model keeps one running state instead of a cell for each token."""
        return bool(
            llama_cpp.llama_model_is_recurrent(self.model) or llama_cpp.llama_model_is_hybrid(self.model)
        )

    @property
    def bos_text(self) -> str:
        return self.text_of(llama_cpp.llama_vocab_bos(self.vocab))

    @property
    def eos_text(self) -> str:
        return self.text_of(llama_cpp.llama_vocab_eos(self.vocab))

    def control_texts(self) -> list[str]:
        """The texts of all tokens that steer the model instead of saying something."""
        steering = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        return [
            self.text_of(token)
            for token in range(self.vocabulary)
            if llama_cpp.llama_vocab_get_attr(self.vocab, token) & steering
        ]

    def opening_token(self) -> int | None:
        """The token every prompt must begin with, where the model wants one."""
        if not llama_cpp.llama_vocab_get_add_bos(self.vocab):
            return None
        token = int(llama_cpp.llama_vocab_bos(self.vocab))
        return token if token >= 0 else None

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Tokens of `text`; control tokens are recognised only with `control`."""
        encoded = text.encode("utf-8", "replace")
        room = len(encoded) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self.vocab, encoded, len(encoded), tokens, room, _NO, control)
        if count < 0:
            raise RuntimeError(f"cannot tokenize {len(encoded)} bytes")
        return list(tokens[:count])

    def bytes_of(self, token: int) -> bytes:
        """What `token` adds to a text: whole characters or a part of one; nothing for a control token."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, size, 0, _NO)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def text_of(self, token: int) -> str:
        """What `token` is called in the vocabulary, also one that steers; empty for none."""
        if token < 0:
            return ""
        return bytes(llama_cpp.llama_vocab_get_text(self.vocab, token) or b"").decode("utf-8", "replace")

    def ends(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    def lora(self, lora: Lora) -> Pointer:
        """The loaded LoRA; raises LoadError. It is loaded once and belongs to the weights."""
        if lora not in self._loras:
            hear_anew()
            pointer = llama_cpp.llama_adapter_lora_init(self.model, lora.path.encode())
            if not pointer:  # a null pointer here is a falsy object, not None
                raise LoadError(f"llama.cpp cannot load the LoRA {lora.name}{complaint()}")
            self._loras[lora] = pointer
        return self._loras[lora]


def _load(plan: EnginePlan, progress: Callable[[], None]) -> Pointer:
    def step(_share: float, _data: object) -> bool:
        progress()
        return True

    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = plan.gpu_layers
    params.split_mode = _SPLIT[plan.split]
    params.load_mode = llama_cpp.LLAMA_LOAD_MODE_MMAP
    params.use_extra_bufts = plan.repack
    params.progress_callback = llama_cpp.llama_progress_callback(step)
    model = llama_cpp.llama_model_load_from_file(plan.path.encode(), params)
    if not model:
        raise LoadError(f"llama.cpp cannot load it{complaint()}")
    return model
