"""Answers many requests at once with one context: continuous batching, and nothing read twice.

Rule: each step is one batch: first the next token of every answer that is being written, then as much of
the prompts as fits, the earliest request first. A prompt copies its system message, puts blocks that
were read before in their place, and goes on where an earlier prompt of the same audience ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from models.engine.blocks import MOST_BLOCKS, Blocks
from models.engine.choosing import Chooser
from models.engine.context import Context, ReadError, Row, StoppedError
from models.engine.ended import EndedPrompts
from models.engine.llama import Llama
from models.engine.passage_cache import PassageCache
from models.engine.prompts import Prompt, Prompts
from models.engine.running import AnswerText, Block, Held, Running, Watch
from models.engine.sequences import Sequences
from models.engine.settings import Lora
from models.engine.wire import Failure, Finish, Generate, Number, Piece, Prepare, Reply

MOST_SEQUENCES = 256  # llama.cpp's own limit
AFTER_A_MOVE = 64  # prompt tokens in a batch that must not be stopped


class TooLongError(ValueError):
    """Prompt and answer do not fit the context together."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    request: Generate | Prepare
    prompt: Prompt
    watch: Watch
    chooser: Chooser | None = None

    def close(self) -> None:
        if self.chooser is not None:
            self.chooser.close()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one batch reads for one owner; `row` is where its last token's logits are, if they are wanted."""

    owner: Block | Running
    tokens: tuple[int, ...]
    row: int | None = None


class Batching:
    """The requests of one LoRA, or of the bare model; `step` until `busy` is False.

    `cache` None reads every prompt from its first to its last token. `ended` keeps what was read of prompts
    when their sequences are needed. `alive` is called often while a step takes long.
    """

    def __init__(
        self,
        llama: Llama,
        prompts: Prompts,
        cache: PassageCache | None,
        *,
        ended: EndedPrompts,
        lora: Lora | None,
        alive: Callable[[], None],
    ) -> None:
        plan = llama.plan
        shared = cache is not None and not llama.forgets_only_whole
        count = min(MOST_SEQUENCES, 3 * plan.parallel + MOST_BLOCKS) if shared else plan.parallel
        self._llama = llama
        self._prompts = prompts
        self._context = Context(llama, sequences=count, shared=shared, lora=lora)
        self._alive = alive
        self._sequences = Sequences(self._context, ended, lora=lora, count=count, most_idle=plan.parallel)
        self._arrived: deque[_Arrived] = deque()
        self._ahead: deque[_Arrived] = deque()
        self._running: list[Running] = []
        self._blocks = Blocks(llama, self._context, self._sequences, cache, lora=lora)
        self._moved = False

    @property
    def busy(self) -> bool:
        return bool(self._running or self._arrived or self._ahead)

    def ids(self) -> set[int]:
        """Of the requests that have not ended."""
        waiting = {arrived.request.id for arrived in (*self._arrived, *self._ahead)}
        return waiting | {running.request.id for running in self._running}

    def add(self, request: Generate | Prepare, watch: Watch) -> None:
        """Takes a request in; raises TooLongError, TemplateError, GrammarError."""
        begun = request.begun if isinstance(request, Generate) else ""
        prompt = self._prompts.prompt(request.turns, begun)
        room = min(self._llama.plan.context_tokens, self._context.cells)
        answer = request.max_tokens if isinstance(request, Generate) else 0
        if len(prompt) + answer > room:
            raise TooLongError(
                f"the prompt has {len(prompt):,} tokens and the answer may have {answer:,}, but "
                f"the context holds {room:,}: shorten the question or raise the context in the configuration"
            )
        if isinstance(request, Prepare):
            self._ahead.append(_Arrived(request, prompt, watch))
            return
        self._arrived.append(_Arrived(request, prompt, watch, Chooser(self._llama, request)))

    def close(self) -> None:
        """Gives the memory back."""
        for arrived in self._arrived:
            arrived.close()
        for running in self._running:
            running.close()
        self._context.close()

    def step(self) -> list[Reply]:
        """Does one batch; what it had to say."""
        replies: list[Reply] = list(self._ended_early())
        self._begin_what_fits()
        try:
            replies += self._placed()
            rows, readings = self._batch()
            if rows:
                self._context.read(rows, stop=self._stop_for(readings))
        except StoppedError:
            self._undo(readings)
            return replies
        except ReadError as error:
            return [*replies, *self._all_failed(error)]
        self._moved = False
        for reading in readings:
            self._note(reading)
        return [*replies, *self._chosen(readings)]

    def _ended_early(self) -> Iterator[Reply]:
        """Ends what was cancelled or is past its deadline, waiting or running."""
        for queue in (self._arrived, self._ahead):
            for arrived in list(queue):
                if verdict := arrived.watch.verdict():
                    queue.remove(arrived)
                    arrived.close()
                    yield _end(arrived.request, verdict)
        for running in list(self._running):
            if verdict := running.watch.verdict():
                self._retire(running)
                yield running.answer.end(verdict) if running.answer else _end(running.request, verdict)

    def _begin_what_fits(self) -> None:
        """In the order of arrival, each as soon as a batch has room for it, so that it can go on from what those
        before it have read by then; reads ahead when nothing else is to do."""
        while self._arrived and len(self._running) < self._llama.plan.parallel:
            if sum(running.left for running in self._running) >= self._context.batch_tokens:
                return
            if not self._begin(self._arrived[0]):
                return
            self._arrived.popleft()
        if self._ahead and not self._running and self._begin(self._ahead[0]):
            self._ahead.popleft()

    def _begin(self, arrived: _Arrived) -> bool:
        """Gives a request its sequence; False while there is no room."""
        request, prompt = arrived.request, arrived.prompt
        keys = self._blocks.keys(prompt)
        if not keys:
            prompt = prompt.in_one_part()
        answer = request.max_tokens if isinstance(request, Generate) else 0
        audience = request.audience if isinstance(request, Generate) else ""
        # A block is never held twice: its cells are given back before it is put in its place. But it is read
        # behind a copy of the system message.
        reserved = len(prompt) + answer + (prompt.head if keys else 0)
        running = Running(request, prompt, arrived.watch, keys=keys, held=Held(-1, audience))
        going_on = self._sequences.take_over(running, self._running)
        if not self._sequences.has_room(reserved + self._blocks.copied(self._running), self._running):
            if going_on is not None:
                self._sequences.keep(going_on)
            if self._running or not keys:
                return False
            return self._begin(
                replace(arrived, prompt=prompt.in_one_part())
            )  # alone, and too large to be read apart
        running.reserved = reserved
        running.chooser = arrived.chooser
        if isinstance(request, Generate):
            running.answer = AnswerText(request, prompt_tokens=len(prompt))
        self._seat(running, going_on)
        self._running.append(running)
        return True

    def _seat(self, running: Running, going_on: Held | None) -> None:
        """Gives `running` its sequence, its prefix and the blocks that it needs."""
        if going_on is not None:
            count = running.common(going_on.tokens)
            if self._context.drop(going_on.sequence, count):
                del going_on.tokens[count:]
                running.held = going_on
                running.reused = count
                running.begin_at(count)
            else:
                self._sequences.release(going_on.sequence)
        if running.held.sequence < 0:
            running.held = Held(self._sequences.take(), running.held.audience)
        running.prefix = self._sequences.prefix(running.prompt)
        if running.prefix is None:
            return
        if running.position == 0 and running.prefix.state is not None:
            running.reused = len(running.prefix.tokens)
        for part, key in running.keys.items():
            if part >= running.part:
                running.blocks[part] = self._blocks.block(
                    key, running.prompt.parts[part].tokens, running.prefix
                )
                if running.blocks[part].state is not None:
                    running.reused += len(running.blocks[part].tokens)

    def _placed(self) -> Iterator[Reply]:
        """Puts system messages and blocks that are read in their places; ends what was to be read ahead."""
        for running in list(self._running):
            prefix = running.prefix
            if running.position == 0 and prefix is not None:
                if prefix.state is None:
                    prefix.reader = prefix.reader if prefix.reader in self._running else running
                    continue
                if not self._context.restore(running.held.sequence, prefix.state):
                    raise ReadError("there is no room for the system message")
                running.held.tokens += prefix.tokens
                running.begin_at(len(prefix.tokens))
            if isinstance(running.request, Prepare):
                if all(block.state is not None for block in running.blocks.values()):
                    self._retire(running)
                    yield Number(running.request.id, len(running.blocks))
                continue
            while running.reading and running.at_block and running.blocks[running.part].state is not None:
                self._moved |= self._blocks.place(running, running.blocks[running.part])

    def _batch(self) -> tuple[list[Row], list[_Reading]]:
        rows: list[Row] = []
        readings: list[_Reading] = []
        for running in self._running:
            if running.next_token is not None:
                readings.append(_Reading(running, (running.next_token,), len(rows)))
                rows.append(Row(running.next_token, running.position, running.held.sequence, wanted=True))
        room = min(self._context.batch_tokens, AFTER_A_MOVE if self._moved else MOST_SEQUENCES * 64)
        for owner in self._to_read():
            if len(rows) >= room:
                break
            if isinstance(owner, Block) and not self._blocks.has_room(owner, self._running):
                continue
            tokens, sequence, wanted = self._next(owner, room - len(rows))
            start = _start(owner)
            last = len(tokens) - 1
            rows += [
                Row(token, start + place, sequence, wanted=wanted and place == last)
                for place, token in enumerate(tokens)
            ]
            readings.append(_Reading(owner, tokens, len(rows) - 1 if wanted else None))
        return rows, readings

    def _to_read(self) -> Iterator[Block | Running]:
        """Who has something to read now, each once, the earliest request first."""
        seen: set[int] = set()
        for running in self._running:
            if not running.reading:
                continue
            if running.waits_for_prefix:
                continue
            wanted: list[Block | Running] = []
            has_prefix = running.prefix is None or running.prefix.state is not None
            if running.unread(1) and (isinstance(running.request, Generate) or not has_prefix):
                wanted.append(running)
            if has_prefix:
                wanted += [block for block in running.blocks.values() if block.state is None]
            for owner in wanted:
                if id(owner) not in seen:
                    seen.add(id(owner))
                    yield owner

    def _next(self, owner: Block | Running, most: int) -> tuple[tuple[int, ...], int, bool]:
        """The next tokens of `owner`, their sequence, and whether the logits of the last are wanted."""
        if isinstance(owner, Running):
            tokens = owner.unread(most)
            return tokens, owner.held.sequence, owner.is_last(len(tokens))
        sequence = self._blocks.begin(owner)
        return owner.tokens[owner.read : owner.read + most], sequence, False

    def _stop_for(self, readings: Sequence[_Reading]) -> Callable[[], bool] | None:
        """Whether the batch is to be given up, asked in the middle of it; None where it must not be."""
        prompts = [one.owner for one in readings if isinstance(one.owner, Running) and one.owner.reading]
        if self._moved or all(isinstance(one.owner, Running) and not one.owner.reading for one in readings):
            return None
        owners = prompts or [running for running in self._running if running.reading]

        def stop() -> bool:
            self._alive()
            return any(owner.watch.verdict() is not None for owner in owners)

        return stop

    def _undo(self, readings: Sequence[_Reading]) -> None:
        """Forgets what a batch that was given up may have added."""
        for reading in readings:
            owner = reading.owner
            sequence = owner.held.sequence if isinstance(owner, Running) else owner.sequence
            if sequence is not None:
                self._context.drop(sequence, _start(owner))

    def _note(self, reading: _Reading) -> None:
        owner = reading.owner
        if isinstance(owner, Block):
            owner.read += len(reading.tokens)
            if owner.read == len(owner.tokens):
                self._blocks.finish(owner)
        elif owner.reading:
            owner.has_read(reading.tokens)
            prefix = owner.prefix
            if prefix is not None and prefix.state is None and owner.position == len(prefix.tokens):
                prefix.state = self._context.state(owner.held.sequence)
                prefix.reader = None
        else:
            owner.held.tokens += reading.tokens

    def _chosen(self, readings: Sequence[_Reading]) -> Iterator[Reply]:
        for reading in readings:
            if reading.row is None or not isinstance(reading.owner, Running):
                continue
            running = reading.owner
            try:
                reply: Piece | Failure = self._written(running, reading.row)
            except ArithmeticError as error:
                reply = Failure(running.request.id, "unavailable", str(error))
            if isinstance(reply, Failure) or reply.finished is not None:
                self._retire(running)
            yield reply

    def _written(self, running: Running, row: int) -> Piece:
        request, answer = running.request, running.answer
        assert isinstance(request, Generate)
        assert answer is not None
        assert running.chooser is not None
        answer.reused_tokens = running.reused
        token = running.chooser.choose(self._context, row)
        answer.avoided = running.chooser.avoided
        if self._llama.ends(token):
            return answer.end("stop")
        text = answer.add(self._llama.bytes_of(token))
        running.next_token = token
        if answer.stopped:
            return answer.end("stop", text)
        if answer.completion_tokens >= request.max_tokens:
            return answer.end("length", text)
        return answer.piece(text)

    def _retire(self, running: Running) -> None:
        """Takes a request out; what it has read stays for the next turn of its conversation."""
        self._running.remove(running)
        running.close()
        self._blocks.drop(running.blocks.values(), self._running)
        if running.held.tokens and isinstance(running.request, Generate):
            self._sequences.keep(running.held)
        else:
            self._sequences.release(running.held.sequence)

    def _all_failed(self, error: Exception) -> Iterator[Reply]:
        """After a batch that could not be read nothing that the context holds is believed."""
        failed = list(self._running)
        for running in failed:
            self._retire(running)
        self._sequences.clear()
        self._context.clear()
        self._moved = False
        for running in failed:
            yield Failure(running.request.id, "unavailable", " ".join(str(error).split()))


def _start(owner: Block | Running) -> int:
    """The position of the owner's next token."""
    return owner.position if isinstance(owner, Running) else owner.read + len(owner.prefix.tokens)


def _end(request: Generate | Prepare, verdict: Finish) -> Reply:
    if isinstance(request, Prepare):
        return Number(request.id, 0)
    return Piece(request.id, "", 0, 0, 0, verdict)
