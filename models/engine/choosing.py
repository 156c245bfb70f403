"""Chooses the next token of one answer from the model's logits.

Rule: the likeliest token unless the request says otherwise; a grammar leaves only what it allows, and the
token that an answer is not to begin with is never its first.
"""

from __future__ import annotations

import llama_cpp
import numpy as np

from models.engine.context import Context
from models.engine.llama import Llama, Pointer
from models.engine.wire import Generate


class GrammarError(ValueError):
    """The grammar of a request is no GBNF."""


class Chooser:
    """The choices of one answer, in order; `close` frees what they hold. Raises GrammarError.

    `avoided` is the logarithm of how likely the first choice was what the request avoids.
    """

    def __init__(self, llama: Llama, request: Generate) -> None:
        self.avoided: float | None = None
        avoided = [] if request.begun else llama.tokenize(request.avoid, control=False)
        self._avoid = avoided[0] if avoided else None
        self._chain = None if request.temperature <= 0 and request.grammar is None else _chain(llama, request)

    def choose(self, context: Context, row: int) -> int:
        """The token after `row` of the last batch; raises ArithmeticError for logits that are no numbers."""
        logits = context.logits(row)
        if self._avoid is not None:
            most = logits.max()
            whole = most + np.log(np.exp(logits - most, dtype=np.float64).sum())
            self.avoided = float(logits[self._avoid] - whole)
            logits[self._avoid] = -np.inf  # in llama.cpp's own memory, where a sampler sees it too
            self._avoid = None
        likeliest = int(np.argmax(logits))
        if np.isnan(logits[likeliest]):  # argmax finds the first NaN if there is any
            raise ArithmeticError("the model computed no numbers: the file is damaged")
        if self._chain is None:
            return likeliest
        return int(llama_cpp.llama_sampler_sample(self._chain, context.pointer, row))

    def close(self) -> None:
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None


def _chain(llama: Llama, request: Generate) -> Pointer:
    steps: list[Pointer] = []
    if request.grammar is not None:
        grammar = llama_cpp.llama_sampler_init_grammar(llama.vocab, request.grammar.encode(), b"root")
        if not grammar:
            raise GrammarError("the grammar is not valid GBNF with a rule named root")
        steps.append(grammar)
    if request.temperature <= 0:
        steps.append(llama_cpp.llama_sampler_init_greedy())
    else:
        steps.append(llama_cpp.llama_sampler_init_temp(request.temperature))
        if request.top_p < 1:
            steps.append(llama_cpp.llama_sampler_init_top_p(request.top_p, 1))
        steps.append(llama_cpp.llama_sampler_init_dist(request.seed % 2**32))
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for step in steps:
        llama_cpp.llama_sampler_chain_add(chain, step)
    return chain
