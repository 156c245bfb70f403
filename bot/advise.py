"""Says which path fits a team: look things up, train the model, both, or a larger model, and why.

Rule: one table of plain rules, each with its reason. A number was measured on this machine, is computed here, or
stands in a publication that is named beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Changes = Literal["daily", "weekly", "monthly", "never"]
Wanted = Literal["own", "none"]
Says = Literal["retrieve", "fine-tune", "not yet", "larger model", "faster", "mind"]
Choice = Literal["retrieve", "fine-tune", "both", "neither"]

SMALL_MODEL = 1_000_000_000  # parameters, as in bot/configured.py
FEWEST_PAIRS = 50
SURE_PAIRS = 200
ANSWER_TOKENS = 60  # two sentences
ROW_TOKENS = 400  # a training row that shares its passages with no other; docs/decisions/014
BUSY = 0.5  # share of eight hours in which one answer is being written; above it people wait in a queue
DAY_S = 8 * 3600
_GB = 1e9
_TRAINING = (
    "groundling finetune prepare --golden golden.toml --licence LICENCE --out rows.jsonl",
    "groundling finetune train rows.toml --dry-run",
)


@dataclass(frozen=True, slots=True)
class Need:
    """What a team has and wants: `documents` that change so often, an `own` tone or form of answers, questions
    a day, `pairs` of a question and its right answer, and at most `first_token_s` until an answer begins."""

    documents: int
    changes: Changes
    tone: Wanted
    form: Wanted
    questions_a_day: int
    pairs: int
    first_token_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found and measured. Speeds in tokens a second, memory in bytes; None is not measured.
    `prompt_tokens` is how long the measured question with its passages was. `gpu_free` is what the model could
    take of the GPUs. `keeps_passages` is whether what was read is kept already, or a server decides about it."""

    cpu: str
    cores: int
    memory_free: int
    gpus: tuple[str, ...]
    model: str | None
    parameters: int | None
    prompt_tokens: int | None = None
    read_a_second: float | None = None
    written_a_second: float | None = None
    trained_a_second: float | None = None
    gpu_free: int = 0
    keeps_passages: bool = False

    @property
    def first_token_s(self) -> float | None:
        """Until an answer begins, when no passage was read before."""
        if self.prompt_tokens is None or self.read_a_second is None:
            return None
        return self.prompt_tokens / self.read_a_second

    def late(self, wanted_s: float) -> bool:
        """Whether an answer begins later than after `wanted_s`."""
        return self.first_token_s is not None and self.first_token_s > wanted_s

    @property
    def answer_s(self) -> float | None:
        """For a whole answer of two sentences."""
        if self.first_token_s is None or self.written_a_second is None:
            return None
        return self.first_token_s + ANSWER_TOKENS / self.written_a_second

    def training_s(self, pairs: int) -> float | None:
        """For one pass over so many rows; less where rows share their passages."""
        return None if self.trained_a_second is None else pairs * ROW_TOKENS / self.trained_a_second

    @property
    def small(self) -> bool:
        return self.parameters is not None and self.parameters < SMALL_MODEL


@dataclass(frozen=True, slots=True)
class Rule:
    """Where `when` holds, `says` speaks for it; `source` names the publication of the reason's figures."""

    says: Says
    when: Callable[[Need, Machine], bool]
    reason: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that spoke."""

    says: Says
    reason: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """The path, whether a larger model fits, and every reason in the order of the table."""

    path: Choice
    larger_model: bool
    reasons: tuple[Reason, ...]
    next: tuple[str, ...]


RULES = (
    Rule(
        "retrieve",
        lambda need, _: need.documents > 0,
        "what documents say is looked up, not learned: of questions about new facts a model of 7B answered 88 % "
        "with retrieval and at most 59 % after training on the texts",
        "Ovadia et al., arXiv 2312.05934, Table 2, Mistral 7B",
    ),
    Rule(
        "retrieve",
        lambda need, _: need.documents > 0 and need.changes in ("daily", "weekly"),
        "documents that change count from the next sync on; weights would have to be trained again each time",
    ),
    Rule(
        "retrieve",
        lambda need, _: need.documents > 0,
        "a passage can be cited, checked, kept from some readers and forgotten; what weights learned cannot",
    ),
    Rule(
        "fine-tune",
        lambda need, _: need.tone == "own",
        "a tone is behaviour: examples teach it, while retrieval brings knowledge",
        "KnowsLM, arXiv 2504.04569",
    ),
    Rule(
        "fine-tune",
        lambda need, _: need.form == "own",
        "a form that answers must keep to is behaviour too, and costs no tokens of the prompt once it is learned",
    ),
    Rule(
        "fine-tune",
        lambda need, machine: need.documents > 0 and machine.small,
        "a model this small neither cites nor refuses by itself; training with passages beside the question "
        "teaches both: over HotpotQA a model of 7B had 0.03 with retrieval alone, 35.28 trained so",
        "RAFT, Table 1, Llama2-7B",
    ),
    Rule(
        "mind",
        lambda need, machine: (
            need.documents > 0 and (need.tone == "own" or need.form == "own" or machine.small)
        ),
        "train with the passages that the search finds, as finetune prepare does: a model trained without them "
        "had 6.38 over HotpotQA, and 4.41 when passages were added",
        "RAFT, Table 1, Llama2-7B",
    ),
    Rule(
        "not yet",
        lambda need, _: need.pairs < FEWEST_PAIRS,
        f"fewer than {FEWEST_PAIRS} pairs of question and right answer are too few to learn from and to measure "
        "on: collect reviewed answers first, or let finetune prepare make rows from data with answers",
    ),
    Rule(
        "mind",
        lambda need, _: FEWEST_PAIRS <= need.pairs < SURE_PAIRS,
        f"under {SURE_PAIRS} questions a share of 70 % is only known to within {{sure:.0f}} points, so a smaller "
        "gain cannot be told from chance",
    ),
    Rule(
        "faster",
        lambda need, machine: machine.late(need.first_token_s) and not machine.keeps_passages,
        "an answer begins later here than is wanted: turn on [model] passage_cache, which reads each passage once, "
        "or lower [retrieval] passages",
    ),
    Rule(
        "faster",
        lambda need, machine: machine.late(need.first_token_s) and machine.keeps_passages,
        "an answer from passages that were not read before begins later here than is wanted: lower [retrieval] "
        "passages",
    ),
    Rule(
        "faster",
        lambda need, machine: need.questions_a_day * (machine.answer_s or 0) > BUSY * DAY_S,
        "so many questions keep this machine writing for more than half of a working day: people will wait, "
        "unless a GPU or a second machine writes too",
    ),
    Rule(
        "larger model",
        lambda need, machine: (
            machine.small
            and machine.first_token_s is not None
            and machine.first_token_s * 8 < need.first_token_s
            and machine.memory_free > 4 * _GB
        ),
        "an answer begins more than eight times sooner than is wanted and there is memory: a model with more "
        "parameters writes better answers from the same passages",
    ),
    Rule(
        "larger model",
        lambda _, machine: machine.small and machine.gpu_free > 4 * _GB,
        "a GPU with room is there, on which a model of several billion parameters is quick once llama.cpp is built "
        "for it (groundling doctor)",
    ),
)
"""Every rule, in the order in which its reason is told."""


def advise(need: Need, machine: Machine) -> Advice:
    """The path that the rules speak for; "fine-tune" counts only where none says that it is too early."""
    spoken = [rule for rule in RULES if rule.when(need, machine)]
    said = {rule.says for rule in spoken}
    trains = "fine-tune" in said
    if not trains:
        spoken = [rule for rule in spoken if rule.says not in ("not yet", "mind")]
    path = _path(retrieves="retrieve" in said, trains=trains and "not yet" not in said)
    reasons = tuple(Reason(rule.says, _filled(rule.reason, need), rule.source) for rule in spoken)
    return Advice(path, "larger model" in said, reasons, _next(path, trains=trains))


def half_width(pairs: int) -> float:
    """Half of the 95 % interval of a share of 70 % over so many questions, in points."""
    return 100 * 1.96 * math.sqrt(0.7 * 0.3 / max(pairs, 1))


def _path(*, retrieves: bool, trains: bool) -> Choice:
    if retrieves:
        return "both" if trains else "retrieve"
    return "fine-tune" if trains else "neither"


def _filled(reason: str, need: Need) -> str:
    return reason.format(sure=half_width(need.pairs))


def _next(path: Choice, *, trains: bool) -> tuple[str, ...]:
    """Commands, in their order."""
    found: Sequence[str] = {
        "retrieve": ("groundling sync", "groundling eval golden FILE"),
        "both": ("groundling sync", *_TRAINING),
        "fine-tune": _TRAINING,
        "neither": ("groundling init",),
    }[path]
    collecting = ("groundling curated add",) if trains and path in ("retrieve", "neither") else ()
    return (*found, *collecting)
