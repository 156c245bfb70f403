"""One GGUF model with one context, in this process, over llama.cpp's low-level interface.

Rule: the only file that imports llama_cpp; one thread uses it, and what comes out of it is tokens,
bytes and numpy arrays.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import llama_cpp
import numpy as np
import numpy.typing as npt

from models.engine.settings import EnginePlan

Logits = npt.NDArray[np.float32]
Pointer: TypeAlias = Any  # an opaque handle of llama.cpp

_NO = False  # llama.cpp's functions take their switches by place

_FLASH = {
    "auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_KV = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}


_WARNING, _ERROR = 3, 4  # of ggml.h's ggml_log_level
_errors: list[str] = []  # the first only: it is the cause, those after it are its consequences


def _log(level: int, text: bytes, _data: object) -> None:
    if level in (_WARNING, _ERROR):
        line = text.decode("utf-8", "replace").strip()
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the child's log
        if level == _ERROR and line and not _errors:
            _errors.append(line)


_LOG = llama_cpp.llama_log_callback(_log)  # llama.cpp keeps no reference to it


def _complaint() -> str:
    return f": {_errors[0]}" if _errors else ""


class LoadError(RuntimeError):
    """llama.cpp refused the file or the memory."""


class ReadError(RuntimeError):
    """llama.cpp could not read a batch of tokens."""


class StoppedError(RuntimeError):
    """A batch was given up because the caller wished so."""


class Llama:
    """A loaded model and the tokens its context holds, which are always positions 0 to `len(held)`."""

    def __init__(self, plan: EnginePlan, *, progress: Callable[[], None]) -> None:
        llama_cpp.llama_log_set(_LOG, None)
        llama_cpp.llama_backend_init()
        self._model = _load_model(plan, progress)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._context = _new_context(plan, self._model)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(plan.batch_tokens, 0, 1)
        self._vocabulary = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        self.batch_tokens = plan.batch_tokens
        self.context_tokens = min(plan.context_tokens, int(llama_cpp.llama_n_ctx(self._context)))
        self.held: list[int] = []
        self._stop: Callable[[], bool] | None = None
        # llama.cpp asks before each operation of a graph, on a processor only. Set for prompts alone:
        # a token is done sooner than anyone waits, and pays for the asking.
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._stop is not None and self._stop())
        self._never = llama_cpp.ggml_abort_callback(0)

    @property
    def chat_template(self) -> str | None:
        """The template in the file's metadata, if it has one."""
        found = llama_cpp.llama_model_chat_template(self._model, None)
        return found.decode("utf-8", "replace") if found else None

    @property
    def bos_text(self) -> str:
        return self._text_of(llama_cpp.llama_vocab_bos(self._vocab))

    @property
    def eos_text(self) -> str:
        return self._text_of(llama_cpp.llama_vocab_eos(self._vocab))

    def control_texts(self) -> list[str]:
        """The texts of all tokens that steer the model instead of saying something."""
        steering = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        return [
            self._text_of(token)
            for token in range(self._vocabulary)
            if llama_cpp.llama_vocab_get_attr(self._vocab, token) & steering
        ]

    def opening_token(self) -> int | None:
        """The token every prompt must begin with, where the model wants one."""
        if not llama_cpp.llama_vocab_get_add_bos(self._vocab):
            return None
        token = int(llama_cpp.llama_vocab_bos(self._vocab))
        return token if token >= 0 else None

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Tokens of `text`; control tokens are recognised only with `control`."""
        encoded = text.encode("utf-8", "replace")
        room = len(encoded) + 8
        tokens = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, encoded, len(encoded), tokens, room, _NO, control)
        if count < 0:
            raise ReadError(f"cannot tokenize {len(encoded)} bytes")
        return list(tokens[:count])

    def bytes_of(self, token: int) -> bytes:
        """What `token` adds to a text: whole characters or a part of one; nothing for a control token."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, _NO)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def ends(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def keep(self, count: int) -> None:
        """Forgets all but the first `count` held tokens, or everything where a part can't be forgotten."""
        if count >= len(self.held):
            return
        if count > 0 and llama_cpp.llama_memory_seq_rm(self._memory, 0, count, -1):
            del self.held[count:]
            return
        llama_cpp.llama_memory_clear(self._memory, _NO)
        self.held.clear()

    def read_or_stop(self, tokens: Sequence[int], *, stop: Callable[[], bool]) -> Logits:
        """`read`, given up with StoppedError as soon as `stop` says so; then nothing is held any more."""
        self._stop = stop
        llama_cpp.llama_set_abort_callback(self._context, self._abort, None)
        try:
            return self.read(tokens)
        except ReadError as error:
            if stop():
                raise StoppedError from error
            raise
        finally:
            llama_cpp.llama_set_abort_callback(self._context, self._never, None)
            self._stop = None

    def read(self, tokens: Sequence[int], *, rows: int = 1) -> Logits:
        """Adds at most `batch_tokens` tokens to the context; raises ReadError, and then holds nothing.

        Returns float32 (rows, vocabulary): the logits after each of the last `rows` tokens, as a view
        that the next `read` overwrites.
        """
        start = len(self.held)
        first_row = len(tokens) - rows
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = start + place
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = 0
            batch.logits[place] = place >= first_row
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            llama_cpp.llama_memory_clear(self._memory, _NO)
            self.held.clear()
            raise ReadError(f"llama_decode returned {status} for {len(tokens)} tokens after {start}")
        self.held.extend(tokens)
        if rows == 0:
            return np.empty((0, self._vocabulary), np.float32)
        first = llama_cpp.llama_get_logits_ith(self._context, first_row)
        return np.ctypeslib.as_array(first, shape=(rows, self._vocabulary))

    def _text_of(self, token: int) -> str:
        if token < 0:
            return ""
        return bytes(llama_cpp.llama_vocab_get_text(self._vocab, token) or b"").decode("utf-8", "replace")


def _load_model(plan: EnginePlan, progress: Callable[[], None]) -> Pointer:
    def step(_share: float, _data: object) -> bool:
        progress()
        return True

    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = plan.gpu_layers
    params.load_mode = llama_cpp.LLAMA_LOAD_MODE_MMAP
    params.use_extra_bufts = plan.repack
    params.progress_callback = llama_cpp.llama_progress_callback(step)
    model = llama_cpp.llama_model_load_from_file(plan.path.encode(), params)
    if not model:
        raise LoadError(f"llama.cpp cannot load it{_complaint()}")
    return model


def _new_context(plan: EnginePlan, model: Pointer) -> Pointer:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = plan.context_tokens
    params.n_batch = params.n_ubatch = plan.batch_tokens
    params.n_seq_max = 1
    params.n_threads = params.n_threads_batch = plan.threads
    params.type_k = params.type_v = _KV[plan.kv_type]
    params.flash_attn_type = _FLASH[plan.flash_attention]
    params.no_perf = True
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise LoadError(f"llama.cpp cannot make a context of {plan.context_tokens} tokens{_complaint()}")
    return context
