"""What a model has read: the cells of one llama.cpp context, in sequences.

Rule: a sequence is a number; whoever uses it says which tokens at which positions it holds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import NamedTuple

import llama_cpp
import numpy as np
import numpy.typing as npt

from models.engine.llama import Llama, LoadError, Pointer, complaint, hear_anew
from models.engine.settings import EnginePlan, Lora

Logits = npt.NDArray[np.float32]

_FLASH = {
    "auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_KV = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}
_ABORTED = 2  # what llama_decode returns when its abort callback said so
_NO = False


class ReadError(RuntimeError):
    """llama.cpp could not read a batch of tokens; which of them it holds is not known."""


class StoppedError(RuntimeError):
    """A batch was given up because the caller wished so; its sequences may hold some of its tokens."""


class Row(NamedTuple):
    """One token of a batch. `wanted` asks for the logits after it."""

    token: int
    position: int
    sequence: int
    wanted: bool


class Context:
    """Memory for sequences 0 to `sequences` - 1; `lora` changes what the model says in it.

    `shared` sequences have their `cells` together and can be copied into each other; each looks at all
    cells in use, its own or not. Otherwise each sequence has `cells` of its own, which is faster.
    """

    def __init__(
        self, llama: Llama, *, sequences: int, shared: bool = False, lora: Lora | None = None
    ) -> None:
        plan = llama.plan
        self._pointer = _new(plan, llama.model, sequences, shared=shared)
        self._memory = llama_cpp.llama_get_memory(self._pointer)
        if lora is not None:
            loras = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(llama.lora(lora))
            llama_cpp.llama_set_adapters_lora(self._pointer, loras, 1, (ctypes.c_float * 1)(lora.scale))
        self._batch = llama_cpp.llama_batch_init(plan.batch_tokens, 0, 1)
        self._vocabulary = llama.vocabulary
        self.batch_tokens = plan.batch_tokens
        self.shared = shared
        self.cells = int(llama_cpp.llama_n_ctx(self._pointer)) // (1 if shared else sequences)
        self.can_move = bool(llama_cpp.llama_memory_can_shift(self._memory)) and not llama.forgets_only_whole
        self._stop: Callable[[], bool] | None = None
        # llama.cpp asks before each operation of a graph, on a processor only. Set for prompts alone:
        # a token is done sooner than anyone waits, and pays for the asking.
        self._abort = llama_cpp.ggml_abort_callback(lambda _: self._stop is not None and self._stop())
        self._never = llama_cpp.ggml_abort_callback(0)

    @property
    def pointer(self) -> Pointer:
        return self._pointer

    def close(self) -> None:
        """Gives the memory back; nothing else may be called afterwards."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._pointer)

    def read(self, rows: Sequence[Row], *, stop: Callable[[], bool] | None = None) -> None:
        """Adds at most `batch_tokens` rows to their sequences; raises ReadError.

        Given up with StoppedError as soon as `stop` says so.
        """
        batch = self._batch
        batch.n_tokens = len(rows)
        for place, row in enumerate(rows):
            batch.token[place] = row.token
            batch.pos[place] = row.position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = row.sequence
            batch.logits[place] = row.wanted
        self._stop = stop
        hear_anew()
        if stop is not None:
            llama_cpp.llama_set_abort_callback(self._pointer, self._abort, None)
        try:
            status = llama_cpp.llama_decode(self._pointer, batch)
        finally:
            self._stop = None
            if stop is not None:
                llama_cpp.llama_set_abort_callback(self._pointer, self._never, None)
        if status == _ABORTED and stop is not None:
            raise StoppedError
        if status != 0:
            raise ReadError(f"llama_decode returned {status} for {len(rows)} tokens{complaint()}")

    def logits(self, row: int) -> Logits:
        """float32 (vocabulary,): what comes after the row of that number in the last batch, as a view that
        the next `read` overwrites."""
        first = llama_cpp.llama_get_logits_ith(self._pointer, row)
        return np.ctypeslib.as_array(first, shape=(self._vocabulary,))

    def copy(self, source: int, target: int) -> None:
        """Makes all that `source` holds part of `target` too; the cells are shared, not doubled."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def drop(self, sequence: int, start: int = 0, end: int = -1) -> bool:
        """Forgets the positions from `start` to before `end` (-1: to the last); False where a part can't be
        forgotten, and then nothing is."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence, start, end))

    def move(self, sequence: int, by: int) -> None:
        """Moves every position of `sequence`; the next `read` pays for it, and must not be stopped."""
        llama_cpp.llama_memory_seq_add(self._memory, sequence, -1, -1, by)

    def clear(self) -> None:
        """Forgets all sequences."""
        llama_cpp.llama_memory_clear(self._memory, _NO)

    def state(self, sequence: int) -> bytes:
        """All that `sequence` holds, in llama.cpp's own form."""
        size = llama_cpp.llama_state_seq_get_size(self._pointer, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = llama_cpp.llama_state_seq_get_data(self._pointer, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence: int, state: bytes) -> bool:
        """Makes `sequence` hold what `state` held, at its positions; False where there is no room."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return bool(llama_cpp.llama_state_seq_set_data(self._pointer, buffer, len(state), sequence))


def _new(plan: EnginePlan, model: Pointer, sequences: int, *, shared: bool) -> Pointer:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = plan.kv_tokens
    params.n_batch = params.n_ubatch = plan.batch_tokens
    params.n_seq_max = sequences
    params.kv_unified = shared
    params.n_threads = params.n_threads_batch = plan.threads
    params.type_k = params.type_v = _KV[plan.kv_type]
    params.flash_attn_type = _FLASH[plan.flash_attention]
    params.no_perf = True
    hear_anew()
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise LoadError(f"llama.cpp cannot make a context of {plan.kv_tokens} tokens{complaint()}")
    return context
