"""What is wrong with an installation, its data and its machine, a line each with the mend.

Rule: a check changes nothing that a search would not change, contacts nothing, and never raises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.doctor_golden import golden_findings
from bot.doctor_place import check_data_folder, check_packages, check_python
from bot.errors import ConfigError
from bot.finding import Finding, State
from bot.lora_audience import audience_of, in_words, not_for_all, why_not
from bot.lora_origins import taint_of
from bot.wiring import SOURCES, Project
from knowledge.errors import IndexMissing, KnowledgeError, SourceUnavailable
from models.engine.address import stays_here
from models.errors import BrokenWeights, ModelError

if TYPE_CHECKING:
    from knowledge.catalogue import IndexState
    from knowledge.lancedb import LanceStore
    from models.engine.settings import Lora
    from models.hardware import Hardware

_SYNC = "; run: groundling sync"


def examine(config: Path, data: Path | None, *, deep: bool) -> Iterator[Finding]:
    """Every check, in the order of what depends on what; `deep` reads every byte and embeds a text."""
    yield check_python()
    yield check_packages(sys.path)
    try:
        project = Project.open(config, data)
    except ConfigError as error:
        yield Finding("configuration", "broken", str(error))
        return
    count = len(project.config.source)
    yield Finding("configuration", "ok", f"{config}, {count} {'source' if count == 1 else 'sources'}")
    with project:
        yield from _of_project(project, deep=deep)
    yield check_network(project)


def _of_project(project: Project, *, deep: bool) -> Iterator[Finding]:
    yield from check_sources(project)
    yield from check_schedule(project)
    yield check_data_folder(project.data)
    try:
        project.data.exists()
    except OSError:
        return  # nothing in a folder that cannot be reached can be looked at
    database = check_database(project)
    yield database
    yield check_embedder(project, deep=deep)
    yield check_judge(project, deep=deep)
    yield from check_reranker(project, deep=deep)
    if database.state != "broken":
        yield check_index(project, deep=deep)
        yield from check_documents(project)
    yield from check_model(project, deep=deep)
    yield from check_golden(project)


def check_sources(project: Project) -> Iterator[Finding]:
    """Each source must be there and give at least one document."""
    if not project.config.source:
        yield Finding("sources", "broken", "the configuration names no source; add a [[source]]")
    for section in project.config.source:
        name = f"source {section.name}"
        try:
            first = next(iter(SOURCES[section.kind](section, project).entries()), None)
        except SourceUnavailable as error:
            yield Finding(name, "broken", str(error))
            continue
        if first is None:
            yield Finding(name, "warning", f"{section.path} holds no document; look at include and exclude")
        else:
            yield Finding(name, "ok", section.path)


def check_schedule(project: Project) -> Iterator[Finding]:
    """Times that cannot be, for which `serve` would not start; nothing when there are none."""
    from bot.chat_rules import plans
    from bot.scheduler import trigger_of

    for plan in plans(project.config, project.root):
        try:
            trigger_of(plan)
        except ConfigError as error:
            yield Finding(f"source {plan.name}", "broken", str(error))


def check_database(project: Project) -> Finding:
    """The database must pass its own check of its pages."""
    try:
        if not project.has_catalogue:
            return Finding("database", "ok", "not there yet; the first sync makes it")
        problems = project.database.check()
    except (KnowledgeError, OSError) as error:
        return Finding("database", "broken", str(error))
    if problems:
        return Finding("database", "broken", f"{problems[0]}; restore a backup, or move it away and sync")
    return Finding("database", "ok", "whole")


def check_embedder(project: Project, *, deep: bool) -> Finding:
    """The embedding model's files must be there; `deep` also embeds a text."""
    try:
        embedder = project.embedder
        line = f"{embedder.name}, {embedder.dimensions} numbers a text, {embedder.max_tokens} tokens at once"
        if deep:
            embedder.embed_query("A question about nothing in particular.")
    except (ModelError, OSError) as error:
        return Finding("embedding", "broken", str(error))
    return Finding("embedding", "ok", line)


def check_judge(project: Project, *, deep: bool) -> Finding:
    """The judge's file must be one, where the configuration wants a judge; `deep` also loads it."""
    try:
        if project.judge is None:
            return Finding("judge", "ok", "none")
        found = project.judge.calibration
        if deep:
            project.judge.load()
    except ConfigError as error:
        return Finding("judge", "broken", str(error))
    except (ModelError, OSError) as error:
        return Finding("judge", "broken", f"{error}; set [retrieval] judge to its file, or to false")
    if found is None:
        return Finding("judge", "ok", "orders passages; refuses nothing, for it was never calibrated")
    return Finding("judge", "ok", f"orders passages, and in English refuses below {found.refuse_below:g}")


def check_reranker(project: Project, *, deep: bool) -> Iterator[Finding]:
    """The reranker's folder must hold one; `deep` also scores a text; nothing where none is wanted."""
    if project.config.retrieval.reranker is None:
        return
    from models.embedding.cross_encoder import LocalCrossEncoder

    folder = project.path(project.config.retrieval.reranker)
    try:
        reranker = LocalCrossEncoder(folder)
        if deep:
            reranker.scores("A question", ["A passage."])
    except (ModelError, OSError) as error:
        yield Finding("reranker", "broken", str(error))
        return
    yield Finding("reranker", "ok", f"{folder} orders passages")


def check_index(project: Project, *, deep: bool) -> Finding:
    """The index must find what is in it, be made by this embedder, and hold what the catalogue says."""
    from knowledge.lancedb import LanceStore
    from knowledge.sync import INDEX

    try:
        store = LanceStore.open(project.data / INDEX)
        # A sync looks at every byte only after an interruption; making the index anew always helps.
        problems = [f"{problem.removesuffix(_SYNC)}{_SYNC} --rebuild" for problem in store.check(deep=deep)]
        state = project.catalogue.index() if project.has_catalogue else None
        problems += _made_otherwise(project, state) or _uneven(project, store, state, deep=deep)
    except IndexMissing:
        return Finding("index", "warning", "there is none yet; run: groundling sync")
    except (KnowledgeError, OSError) as error:
        return Finding("index", "broken", str(error))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        mend = "" if _SYNC in problems[0] else _SYNC
        return Finding("index", "broken", f"{problems[0]}{more}{mend}")
    if store.notes:
        return Finding("index", "warning", f"{'; '.join(store.notes)}; run: groundling sync")
    looked = "every byte compared" if deep else "not every byte compared, see --deep"
    return Finding("index", "ok", f"version {store.version}, {store.count():,} chunks, {looked}")


def _made_otherwise(project: Project, state: IndexState | None) -> list[str]:
    if state is None:
        return ["the catalogue does not know the index; run: groundling sync"]
    try:
        name = project.embedder.name
    except (ModelError, OSError):
        return []  # told by the check of the embedder
    if state.embedder == name:
        return []
    return [
        f"it was made with {state.embedder}, the configuration names {name}; run: groundling sync --rebuild"
    ]


def _uneven(project: Project, store: LanceStore, state: IndexState | None, *, deep: bool) -> list[str]:
    from knowledge.sync import differences

    known = sum(document.chunks for document in project.catalogue.documents())
    if state is not None and state.version != store.version:
        return [f"a sync was interrupted (catalogue {state.version}, index {store.version})"]
    if known != store.count():
        return [f"the catalogue counts {known:,} chunks, the index holds {store.count():,}"]
    if not deep:
        return []
    again, strays = differences(project.catalogue, store)
    return [f"{len(again | strays)} documents differ between catalogue and index"] if again or strays else []


def check_documents(project: Project) -> Iterator[Finding]:
    """Sources that hold back and files that could not be read; nothing when there are none."""
    if not project.has_catalogue:
        return
    for state in project.catalogue.sources():
        if state.held_back:
            yield Finding(f"source {state.source}", "warning", f"held back: {state.held_back}")
    failures = len(project.catalogue.failures())
    if failures:
        files = "1 file" if failures == 1 else f"{failures:,} files"
        yield Finding(
            "documents", "warning", f"{files} could not be read; see: groundling documents --failed"
        )


def check_model(project: Project, *, deep: bool) -> Iterator[Finding]:
    """What the machine has, the language model's file, and whether it fits; what would be used and why."""
    from models import hardware
    from models.gguf import read_header

    machine = hardware.Hardware.from_machine()
    if project.config.model.kind != "gguf":
        yield from _machine(machine)
        yield _without_weights(project)
        return
    try:
        path, sha256 = _weights(project, deep=deep)
        header = read_header(path)
    except ModelError as error:
        yield from _machine(machine)
        named = project.config.model.path is not None or isinstance(error, BrokenWeights)
        state: State = "broken" if named else "warning"
        yield Finding("model", state, f"{error}; until then answers are the documents' own words")
        return
    settings = project.engine_settings()
    for label, line in hardware.describe(path, header, settings, hardware=machine):
        known = f", sha256 {sha256[:12]}" if label == "model" and sha256 else ""
        yield Finding(label, "ok", line + known)
    used = hardware.plan(path, header, settings, hardware=machine)
    try:
        hardware.check_memory(header, used, free=machine.memory_free)
    except ModelError as error:
        yield Finding("model memory", "broken", str(error))
        return
    needed, have = (size / 2**20 for size in (hardware.need(header, used).total, machine.memory_free))
    yield from _loras(project)
    yield Finding("model memory", "ok", f"{needed:,.0f} MiB needed, {have:,.0f} MiB can be had")


def _loras(project: Project) -> Iterator[Finding]:
    """Every LoRA that may answer, and which one does where nothing else is named, and why."""
    if not project.config.lora and not project.data.is_dir():
        return  # to look for one would make the data folder
    try:
        loras = project.lora_choices
        base = project.weights()
        choice = loras.choice(base)
        compared, problems = loras.compared(base)
        every = (*loras.configured(base), *compared)
        own = [] if choice.lora is None else _beyond_its_readers(project, choice.lora)
        told = {lora: _told(lora) for lora in (*every, *([choice.lora] if choice.lora else []))}
    except (KnowledgeError, ModelError, OSError) as error:
        yield Finding("LoRA", "broken", str(error))
        return
    for lora in every:
        if lora != choice.lora:
            yield Finding("LoRA", "ok", f"{told[lora]}, scale {lora.scale:g}; where it is named")
    yield from own
    for lora in told:
        if project.has_catalogue and (line := taint_of(project.registry, lora.sha256)):
            yield Finding("LoRA", "warning", f"{lora.name}: {line}")
    for problem in (*([choice.problem] if choice.problem else []), *problems):
        yield Finding("LoRA", "warning", problem)
    used = "none" if choice.lora is None else told[choice.lora]
    yield Finding("LoRA", "ok", f"{used}; {choice.why}")


def _beyond_its_readers(project: Project, lora: Lora) -> list[Finding]:
    """Whether it answers people who may not read what it learned from."""
    from bot.chat_rules import access_rules

    names = not_for_all(audience_of(Path(lora.path)), access_rules(project.config).readers)
    return [Finding("LoRA", "warning", f"{lora.name}: {why_not(names)}")] if names else []


def _told(lora: Lora) -> str:
    audience = audience_of(Path(lora.path))
    whose = f", {in_words(audience)}" if audience else ""
    return f"{lora.name}: {lora.path}, sha256 {lora.sha256[:12]}{whose}"


def check_golden(project: Project) -> Iterator[Finding]:
    """The golden questions of the schedule, and an index that is held back because of them."""
    schedule = project.config.schedule
    if schedule.golden is not None:
        yield from golden_findings(
            project.path(schedule.golden),
            lambda: project.registry if project.has_catalogue else None,
            hold=schedule.hold,
        )


def _without_weights(project: Project) -> Finding:
    """The model's check where its weights do not lie here."""
    section = project.config.model
    if section.kind == "none":
        return Finding("model", "ok", "none is wanted; answers are the documents' own words")
    try:
        key = "a key" if project.model_key() else "no key"
    except ConfigError as error:
        return Finding("model", "broken", str(error))
    return Finding("model", "ok", f"{section.name or 'the only one'} of {section.url}, with {key}; not asked")


def _weights(project: Project, *, deep: bool) -> tuple[Path, str | None]:
    """The model's file, and its sha256 where that is known or `deep` finds it out."""
    from models.weights import bundled_path, sha256_of

    named = project.config.model.path
    file = project.path(named) if named is not None else None
    if file is None and not project.data.is_dir():
        file = bundled_path()
    if file is not None:
        return file, sha256_of(file) if deep else None
    weights = project.models.active()
    if deep:
        weights = project.models.verify(weights.name)
    return weights.path, weights.sha256


def _machine(machine: Hardware) -> Iterator[Finding]:
    yield Finding("processor", "ok", f"{machine.cpu or 'unknown'}, {machine.cores} cores usable")
    free, total = machine.memory_free / 2**20, machine.memory / 2**20
    yield Finding("memory", "ok", f"{free:,.0f} MiB free of {total:,.0f} MiB")
    yield Finding("GPU", "ok", ", ".join(gpu.name for gpu in machine.gpus) or "none found")


def check_network(project: Project) -> Finding:
    """What could ever be contacted; nothing is, to find that out."""
    if project.config.embedding.download:
        line = "the embedding model may be fetched; set [embedding] download = false once it is here"
        return Finding("network", "warning", line)
    url = project.config.model.url if project.config.model.kind == "server" else None
    if url is not None:
        line = f"questions and the passages for them are sent to {url}"
        if stays_here(url) or url.startswith("https:"):
            return Finding("network", "ok", line)
        return Finding("network", "warning", f"{line} unencrypted; put https before it if others listen")
    return Finding("network", "ok", "nothing was contacted, and nothing is while syncing and answering")
