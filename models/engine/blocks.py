"""The blocks of prompts: read once behind their system message, kept, and put in their places.

Rule: a block's state depends on the model, the LoRA, the system message and its own tokens, and its key
names them all; whatever else stands in a prompt has no part in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from models.engine.context import Context, ReadError
from models.engine.llama import LLAMA_CPP, Llama
from models.engine.passage_cache import PassageCache
from models.engine.prompts import Prompt
from models.engine.running import Block, Prefix, Running
from models.engine.sequences import Sequences
from models.engine.settings import Lora

MOST_BLOCKS = 16  # that are being read at the same time


class Blocks:
    """The blocks that are being read or kept for `context`; without a `cache` no block is read apart."""

    def __init__(
        self,
        llama: Llama,
        context: Context,
        sequences: Sequences,
        cache: PassageCache | None,
        *,
        lora: Lora | None,
    ) -> None:
        self._context = context
        self._sequences = sequences
        self._cache = cache if context.shared and context.can_move else None
        self._make = _make(llama, lora)
        self._reading: dict[str, Block] = {}

    def keys(self, prompt: Prompt) -> dict[int, str]:
        """The key of each block by the number of its part; none where blocks are not read apart."""
        if self._cache is None or prompt.head == 0:
            return {}
        head = prompt.parts[0].tokens[: prompt.head]
        return {
            number: hashlib.blake2b(
                repr((self._make, head, part.tokens)).encode(), digest_size=20
            ).hexdigest()
            for number, part in enumerate(prompt.parts)
            if part.block
        }

    def block(self, key: str, tokens: tuple[int, ...], prefix: Prefix) -> Block:
        """The block with its state if it was read before, else the one that is being read or to be read."""
        if key in self._reading:
            return self._reading[key]
        block = Block(key, tokens, prefix, state=self._cache.get(key) if self._cache else None)
        if block.state is None:
            self._reading[key] = block
        return block

    def copied(self, running: Sequence[Running], *more: Block) -> int:
        """Cells for the copies of system messages before the blocks that are being read, and `more`, beside the
        copy that each of `running` has reserved."""
        copies = sum(len(block.prefix.tokens) for block in (*self._begun(), *more))
        return max(0, copies - sum(one.prompt.head for one in running if one.keys))

    def has_room(self, block: Block, running: Sequence[Running]) -> bool:
        """Whether `block` is being read, or can be beside those that are; one of them always can."""
        if block.sequence is not None:
            return True
        needed = self.copied(running, block)
        return len(self._begun()) < MOST_BLOCKS and self._sequences.has_room(needed, running)

    def begin(self, block: Block) -> int:
        """The sequence that the block is read in, behind its prefix."""
        if block.sequence is None:
            assert block.prefix.state is not None
            block.sequence = self._sequences.take()
            if not self._context.restore(block.sequence, block.prefix.state):
                raise ReadError("there is no room for the system message")
        return block.sequence

    def finish(self, block: Block) -> None:
        """Keeps what was read, without the prefix."""
        assert block.sequence is not None
        self._context.drop(block.sequence, 0, len(block.prefix.tokens))
        block.state = self._context.state(block.sequence)
        self._end(block)
        if self._cache is not None:
            self._cache.put(block.key, block.state)

    def place(self, running: Running, block: Block) -> bool:
        """Joins `block` to what `running` has read; whether it had to be moved, which the next batch pays. A kept
        state that llama.cpp refuses, as of another make, is forgotten, and the block is to be read."""
        assert block.state is not None
        sequence = self._sequences.take()
        if not self._context.restore(sequence, block.state):
            self._sequences.release(sequence)
            self._read_anew(running, block)
            return False
        del running.blocks[running.part]
        by = running.position - len(block.prefix.tokens)
        if by:
            self._context.move(sequence, by)
        self._context.copy(sequence, running.held.sequence)
        self._sequences.release(sequence)
        running.has_joined()
        return by != 0

    def _read_anew(self, running: Running, block: Block) -> None:
        if self._cache is None or block.read:  # it is not the file's fault
            raise ReadError("there is no room for a passage that was read before")
        self._cache.forget(block.key)
        block.state = None
        running.blocks[running.part] = self._reading.setdefault(block.key, block)
        running.reused -= len(block.tokens)

    def drop(self, blocks: Iterable[Block], running: Iterable[Running]) -> None:
        """Gives up those of `blocks` that are not read yet and that none of `running` waits for."""
        needed = {id(block) for other in running for block in other.blocks.values()}
        for block in blocks:
            if block.state is None and id(block) not in needed:
                self._end(block)

    def _begun(self) -> list[Block]:
        return [block for block in self._reading.values() if block.sequence is not None]

    def _end(self, block: Block) -> None:
        if block.sequence is not None:
            self._sequences.release(block.sequence)
            block.sequence = None
        self._reading.pop(block.key, None)


def _make(llama: Llama, lora: Lora | None) -> tuple[object, ...]:
    """What a state depends on beside its tokens."""
    plan = llama.plan
    with_lora = (lora.sha256, lora.scale) if lora else None
    return (LLAMA_CPP, plan.sha256 or plan.path, with_lora, plan.kv_type, plan.flash_attention)
