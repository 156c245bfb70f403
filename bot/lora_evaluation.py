"""Evaluations of LoRAs: the same questions asked with a new one and with what answers now, kept in the registry.

Rule: an evaluation names by sha256 everything that its figures depend on, and holds no text of an answer or a
document, so that what is forgotten elsewhere is not kept here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from bot.answer import Answer
from bot.citations import without_markers
from bot.config_sections import ModelSection
from bot.errors import Failed, WrongUse
from bot.evaluation.answers import f1
from bot.evaluation.datasets import ReferenceQuestion
from bot.evaluation.golden import GoldenResult
from bot.gate import Item, Measure
from bot.lora_choice import loras_called
from bot.prompt import wording
from bot.registry import Artefact, Manifest, Registry, text_sha256
from bot.unfinished import Unfinished
from knowledge.catalogue import Catalogue
from models.engine.generator import ModelIdentity
from models.lora import LoraHeader
from models.lora_folder import LoraFolder, lineage
from models.weights import Weights, sha256_of

COMPARISON = "comparison"
GOLDEN_RUN = "golden run"
"""What the manifests of the two kinds of evaluations are called."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What answers depend on beside the LoRA, as sha256s. `index` is what was searched."""

    base: str
    golden: str
    index: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Way:
    """The questions asked one way: with the LoRA `lora` (None: the bare model)."""

    lora: str | None
    items: tuple[Item, ...]

    def milliseconds(self, share: float) -> int:
        """The time that this share of the questions took at most."""
        times = sorted(item.ms for item in self.items)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Both ways, the candidate's and what was active then; or one way alone, where `active` is None.

    `contents` are what the documents that the questions are about held then, as `contents_of` tells it.
    """

    setting: Setting
    candidate: Way
    active: Way | None
    program: str
    contents: Mapping[str, str] = field(default_factory=dict)


_EVALUATION = TypeAdapter(Evaluation)
_ITEM = TypeAdapter(Item)


def setting_of(
    registry: Registry, catalogue: Catalogue, base: ModelIdentity, golden: Path, *, persona: str
) -> Setting:
    """What an evaluation with the questions of `golden` depends on now, noted in `registry`."""
    state = catalogue.index()
    notes: dict[str, str | int | float] = {}
    if state is not None:
        notes = {"version": state.version, "embedder": state.embedder}
    base_sha256 = base.sha256 or text_sha256(base.name)  # a server tells no hash
    setting = Setting(
        base_sha256,
        sha256_of(golden),
        index_sha256(catalogue),
        registry.keep("prompt", wording(persona), Manifest("prompt")),
    )
    registry.record("base", base_sha256, Manifest(base.name))
    registry.record("golden", setting.golden, Manifest(golden.name))
    registry.record("index", setting.index, Manifest("index", notes=notes))
    return setting


def base_of(model: ModelSection, weights: Callable[[], Weights]) -> ModelIdentity:
    """The model that [model] means, without loading it; a server's has no sha256."""
    if model.kind == "gguf":
        return weights().identity
    return ModelIdentity(f"{model.kind} {model.url} {model.name}", "")


def record_lora(registry: Registry, sha256: str, header: LoraHeader, file: Path, base: Weights) -> None:
    """Notes a LoRA with all that its file says of where it is from."""
    made_from, told = lineage(file)
    notes: dict[str, str | int | float] = {"rank": header.rank, "bytes": header.file_bytes, **told}
    if header.licence:
        notes["licence"] = header.licence
    manifest = Manifest(header.name or file.stem, {"base": base.sha256, **made_from}, notes)
    registry.record("lora", sha256, manifest)


def keep(
    registry: Registry, evaluation: Evaluation, notes: Mapping[str, str | int | float] | None = None
) -> str:
    """Puts an evaluation into the registry with `notes`; gives its sha256."""
    setting = evaluation.setting
    made_from = {
        "base": setting.base,
        "golden": setting.golden,
        "index": setting.index,
        "prompt": setting.prompt,
    }
    for role, way in (("lora", evaluation.candidate), ("active", evaluation.active)):
        if way is not None and way.lora is not None:
            made_from[role] = way.lora
    name = GOLDEN_RUN if evaluation.active is None else COMPARISON
    body = _EVALUATION.dump_json(evaluation).decode()
    return registry.keep("evaluation", body, Manifest(name, made_from, notes or {}))


def kept(registry: Registry, name: str) -> list[tuple[Artefact, Evaluation]]:
    """The evaluations of that kind, the latest first; one whose text is not what it was is left out."""
    found = []
    for artefact in registry.artefacts("evaluation"):
        body = artefact.body or ""
        if artefact.manifest.name == name and text_sha256(body) == artefact.sha256:
            found.append((artefact, _EVALUATION.validate_json(body)))
    return found


def evaluation_for(
    registry: Registry, lora: str, *, base: str, prompt: str, active: str | None, golden: str | None
) -> tuple[Artefact, Evaluation]:
    """The latest comparison of exactly this LoRA with exactly what is active, on this base, prompt and, where it
    is given, these questions. Raises `Failed` with what is different in the one that comes nearest."""
    known = [(a, e) for a, e in kept(registry, COMPARISON) if e.candidate.lora == lora]
    again = "run: groundling finetune evaluate"
    if not known:
        raise Failed(f"the LoRA {lora[:12]} was never evaluated here; {again}")
    nearest: list[str] | None = None
    for artefact, evaluation in known:
        assert evaluation.active is not None
        differs = []
        if evaluation.setting.base != base:
            differs.append(f"on another base ({evaluation.setting.base[:12]})")
        if golden is not None and evaluation.setting.golden != golden:
            differs.append("with other golden questions")
        if evaluation.setting.prompt != prompt:
            differs.append("with another prompt")
        if evaluation.active.lora != active:
            differs.append(f"against {_short(evaluation.active.lora)}, while {_short(active)} is active")
        if not differs:
            return artefact, evaluation
        if nearest is None or len(differs) < len(nearest):
            nearest = differs
    raise Failed(f"the LoRA {lora[:12]} was evaluated {' and '.join(nearest or [])}; {again} again")


def evaluation(
    setting: Setting, candidate: Way, active: Way | None, contents: Mapping[str, str] | None = None
) -> Evaluation:
    """An evaluation by this version of the program; of `contents` it takes what its questions are about."""
    about = {item.document for item in candidate.items}
    some = {document: held for document, held in (contents or {}).items() if document in about}
    return Evaluation(setting, candidate, active, version("groundling"), some)


def contents_of(catalogue: Catalogue) -> dict[str, str]:
    """What every document holds and how it is cut and embedded, as a short hash by that of its id."""
    state = catalogue.index()
    made = None if state is None else (state.embedder, state.chunker)
    return {
        _short_sha256(known.id): _short_sha256(repr((known.content_hash, made)))
        for known in catalogue.documents()
    }


def without_changed(found: Evaluation, contents: Mapping[str, str]) -> tuple[Evaluation, int]:
    """The evaluation without the questions about documents that hold something else now, and how many those
    are."""
    changed = {document for document, held in found.contents.items() if contents.get(document) != held}

    def left(way: Way) -> Way:
        return replace(way, items=tuple(item for item in way.items if item.document not in changed))

    active = None if found.active is None else left(found.active)
    short = replace(found, candidate=left(found.candidate), active=active)
    return short, len(found.candidate.items) - len(short.candidate.items)


def golden_items(results: Sequence[GoldenResult]) -> tuple[Item, ...]:
    """What became of golden questions, without their answers' words."""
    return tuple(map(golden_item, results))


def known_items(unfinished: Unfinished, which: str) -> dict[str, Item]:
    """What an evaluation that was ended kept of the way `which`, by the questions' names."""
    kept = [_ITEM.validate_python(row["item"]) for row in unfinished.known if row["which"] == which]
    return {item.id: item for item in kept}


def known_lora(registry: Registry, folder: LoraFolder, text: str) -> Artefact:
    """The LoRA of the registry that `text` means, a name or the beginning of a sha256; raises `WrongUse`."""
    found = loras_called(text, registry, folder)
    if len(found) == 1:
        return found[0]
    every = ", ".join(
        f"{one.manifest.name} ({one.sha256[:8]})" for one in found or registry.artefacts("lora")
    )
    if found:
        raise WrongUse(f"several LoRAs are called {text!r}; name one by its sha256: {every}")
    raise WrongUse(f"no LoRA is called {text!r}; name a GGUF file or one of: {every or 'none yet'}")


def golden_item(result: GoldenResult) -> Item:
    """What became of a golden question, without its answer's words."""
    question, answered = result.question, result.answer.status == "answered"
    values: dict[Measure, float] = {"right": float(result.right)}
    if question.answerable:
        values["right_answers"] = float(result.right)
        values["false_refusals"] = float(result.answer.status == "refused")
    else:
        values["right_refusals"] = float(result.right)
    values["citations_resolved"] = float(not answered or not result.dangling)
    about = question.documents[0] if question.documents else f"question:{question.id}"
    document = _short_sha256(about)  # its name may be forgotten
    return Item(question.id, document, question.must, values, result.answer.timings.total_ms)


def squad_item(id: str, question: ReferenceQuestion, answer: Answer, *, document: str) -> Item:
    """What became of a question of a SQuAD file about the article `document`, under the name `id`."""
    refused = answer.status == "refused"
    values: dict[Measure, float] = {}
    if question.references:
        said = without_markers(answer.text, answer.passages) if answer.status == "answered" else ""
        values["squad_f1"] = max((f1(said, reference) for reference in question.references), default=0.0)
        values["squad_false_refusals"] = float(refused)
    else:
        values["squad_f1"] = values["squad_refusals"] = float(refused)
    return Item(id, document, must=False, values=values, ms=answer.timings.total_ms)


def index_sha256(catalogue: Catalogue) -> str:
    """Names all that a search could find: every document's bytes and the digests of its chunks with their vectors."""
    state = catalogue.index()
    digest = hashlib.sha256(repr((state.embedder, state.chunker) if state else None).encode())
    for document in sorted(catalogue.documents(), key=lambda one: one.id):
        digest.update(
            repr((document.id, document.content_hash)).encode("utf-8", "replace") + document.digests
        )
    return digest.hexdigest()


def _short_sha256(text: str) -> str:
    return text_sha256(text)[:12]


def _short(lora: str | None) -> str:
    return "no LoRA" if lora is None else lora[:12]
