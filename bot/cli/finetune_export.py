"""`groundling finetune export`: the file of what was trained, checked, with its card and bill of materials.

Rule: under its name a file stands only after every check that was asked for.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bot.cli.lora_origins import note
from bot.cli.options import as_json, with_any_project, write_json

if TYPE_CHECKING:
    from bot.cli.merge_score import Compared
    from bot.registry import Registry
    from bot.wiring import Project
    from models.finetune.card import Exported
    from models.finetune.parity import Parity

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
Kind = Literal["q8_0", "f16"]
_MANY = 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is exported, and how it is to be checked."""

    trained: Path
    out: Path
    name: str
    licence: str
    merged: Kind | None
    rows: Path | None
    squad: Path | None
    golden: Path | None
    limit: int
    evaluation: Path | None


@click.command()
@click.argument("trained", type=_FILE)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The GGUF file to write."
)
@click.option("--name", required=True, help="What the LoRA or the merged model is called in its file.")
@click.option("--licence", required=True, help="Its licence, which that of its data must allow.")
@click.option(
    "--rows", type=_FILE, help="Rows by which llama.cpp with the file is held against the training."
)
@click.option(
    "--merged",
    type=click.Choice(["q8_0", "f16"]),
    help="Write the base with the LoRA inside; at fewer bits the training would be rounded away.",
)
@click.option(
    "--squad", type=_FILE, help="Questions in SQuAD's layout that a merged file must answer as well."
)
@click.option("--golden", type=_FILE, help="Golden questions that a merged file must answer as well.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Most questions of --squad."
)
@click.option("--evaluation", type=_FILE, help="What `eval … --json` wrote about it, for its card.")
@as_json
@with_any_project
def export(project: Project, *, json_: bool, **asked: Any) -> None:
    """Write the trained LoRA as a GGUF file for the project's model, or that model with the LoRA merged."""
    from bot.errors import Failed, WrongUse
    from models.finetune.layout import ExportError
    from models.finetune.lora_model import BaseError
    from models.finetune.rows import RowError

    wanted = _Wanted(**asked)
    if (wanted.squad or wanted.golden) and wanted.merged is None:
        raise WrongUse("--squad and --golden compare a merged file with the LoRA; add --merged q8_0 or f16")
    if wanted.out.resolve() == project.weights().path.resolve():
        raise WrongUse(f"{wanted.out} is the project's model itself; choose another name with --out")
    _check_questions(project, wanted)
    try:
        told = _export(project, wanted)
    except (BaseError, ExportError, RowError) as error:
        raise Failed(str(error)) from error
    if wanted.merged is None:
        note(project, lambda registry: _note(registry, project, wanted))
    if json_:
        write_json(told)
        return
    for line in _lines(wanted, told, _closed(project, str(told["audience"]))):
        click.echo(line)


def _note(registry: Registry, project: Project, wanted: _Wanted) -> None:
    from bot.lora_evaluation import record_lora
    from bot.registry import Manifest
    from models.finetune.lineage import Trained
    from models.lora import read_lora
    from models.weights import sha256_of

    base, trained = project.weights(), Trained.from_file(wanted.trained)
    header = read_lora(wanted.out, base=base.path, base_sha256=base.sha256)
    registry.record("base", base.sha256, Manifest(base.identity.name))
    registry.record("recipe", trained.digest, Manifest("recipe", notes=trained.settings))
    record_lora(registry, sha256_of(wanted.out), header, wanted.out, base)


def _check_questions(project: Project, wanted: _Wanted) -> None:
    """Refuses questions that could not be asked, before minutes are spent on what they are asked of."""
    from bot.evaluation.datasets import load_answers
    from bot.evaluation.golden import load_golden

    if wanted.squad is not None:
        load_answers(wanted.squad)
    if wanted.golden is not None:
        load_golden(wanted.golden)
        _ = project.store


def _export(project: Project, wanted: _Wanted) -> dict[str, object]:
    """Writes, checks, and only then gives the file its name; what was found out."""
    base = project.weights().path
    unchecked = wanted.out.with_name(f"{wanted.out.name}.unchecked")
    try:
        file, same, compared = (
            _lora(base, wanted, unchecked)
            if wanted.merged is None
            else _merged(project, wanted, wanted.merged, unchecked)
        )
        exported = _described(project, wanted, unchecked)
        unchecked.replace(wanted.out)
    finally:
        unchecked.unlink(missing_ok=True)
    card, bom = _write_papers(exported)
    return {
        "file": file,
        "sha256": exported.sha256,
        "audience": exported.trained.audience or "everyone",
        "parity": same,
        "compared": compared,
        "card": card,
        "bom": bom,
    }


def _lora(base: Path, wanted: _Wanted, out: Path) -> tuple[object, Parity | None, None]:
    from models.finetune.export import export as write
    from models.finetune.parity import parity_over

    header = write(wanted.trained, base, out, name=wanted.name, licence=wanted.licence)
    same = None if wanted.rows is None else parity_over(wanted.trained, base, wanted.rows, lora=out)
    return header, same, None


def _merged(
    project: Project, wanted: _Wanted, kind: Kind, out: Path
) -> tuple[object, Parity | None, Compared | None]:
    from bot.cli.merge_score import compare_golden, compare_squad
    from models.finetune.export import export as write
    from models.finetune.layout import ExportError
    from models.finetune.merge import merge
    from models.finetune.parity import parity_over

    base = project.weights().path
    file = merge(wanted.trained, base, out, kind=kind, name=wanted.name, licence=wanted.licence)
    same = None if wanted.rows is None else parity_over(wanted.trained, base, wanted.rows, merged=out)
    compared = None
    with tempfile.TemporaryDirectory(prefix="groundling-merge-") as folder:
        lora = Path(folder) / "lora.gguf"
        if wanted.squad or wanted.golden:
            write(wanted.trained, base, lora, name=wanted.name, licence=wanted.licence)
        both = {"base": base, "lora": lora, "merged": out}
        if wanted.squad is not None:
            compared = compare_squad(
                project, **both, file=wanted.squad, limit=wanted.limit, seed=0, say=_progress
            )
        if wanted.golden is not None and (compared is None or compared.worse is None):
            compared = compare_golden(project, **both, file=wanted.golden, say=_progress)
    if compared is not None and compared.worse is not None:
        raise ExportError(f"the merged model answers worse than the LoRA: {compared.worse}; use the LoRA")
    return file, same, compared


def _described(project: Project, wanted: _Wanted, file: Path) -> Exported:
    """Everything that the papers say, under the name that the file will have."""
    from models.finetune.card import Evaluation, Exported, Relation
    from models.finetune.lineage import Trained
    from models.weights import sha256_of

    base = project.weights()
    sha256 = sha256_of(file)
    relations: dict[Kind | None, Relation] = {None: "adapter", "f16": "merge", "q8_0": "quantized"}
    return Exported(
        file=wanted.out,
        sha256=sha256,
        name=wanted.name,
        licence=wanted.licence,
        relation=relations[wanted.merged],
        architecture=base.architecture,
        base=base.path.stem,
        base_sha256=base.sha256,
        base_licence=base.licence,
        trained=Trained.from_file(wanted.trained),
        evaluation=None if wanted.evaluation is None else Evaluation.from_file(wanted.evaluation, of=sha256),
    )


def _write_papers(exported: Exported) -> tuple[Path, Path]:
    """The card and the bill of materials beside the file. The card is README.md, as hubs want it, unless that
    is somebody else's."""
    from models.finetune.bom import bill_of_materials
    from models.finetune.card import card

    text = card(exported)
    readme = exported.file.with_name("README.md")
    if readme.exists() and f"| file | `{exported.file.name}` |" not in readme.read_text(
        encoding="utf-8", errors="replace"
    ):
        readme = exported.file.with_name(f"{exported.file.stem}.README.md")
    bom = exported.file.with_name(f"{exported.file.stem}.cdx.json")
    papers = {readme: text, bom: json.dumps(bill_of_materials(exported), indent=2, ensure_ascii=False) + "\n"}
    for path, content in papers.items():
        part = path.with_name(f"{path.name}.part")
        part.write_text(content, encoding="utf-8")
        part.replace(path)
    return readme, bom


def _closed(project: Project, audience: str) -> list[str]:
    """The collections of `audience` that not all who are answered may read."""
    from bot.chat_rules import access_rules
    from bot.lora_audience import NOTE, audience_in, not_for_all

    return not_for_all(audience_in({NOTE: audience}), access_rules(project.config).readers)


def _lines(wanted: _Wanted, told: dict[str, object], closed: list[str]) -> list[str]:
    """What is said to people."""
    from models.finetune.merge import Merged
    from models.finetune.parity import Parity
    from models.lora import LoraHeader

    file, same, compared, out = told["file"], told["parity"], told["compared"], wanted.out
    found = []
    if isinstance(same, Parity):
        found.append(
            f"llama.cpp agrees with the training over {same.tokens} tokens: cosine {same.cosine:.3f}"
        )
    if isinstance(file, Merged):
        found.append("no questions were asked of it" if compared is None else f"asked: {compared}")
        found.append(f"{out}: {file.changed} tensors as {file.kind}, {file.file_bytes:,} bytes; to use it:\n")
        found.append(f'[model]\npath = "{out}"\n')
    elif isinstance(file, LoraHeader):
        found.append(f"{out}: rank {file.rank}, {file.file_bytes:,} bytes; to use it:\n")
        places = [f'[[collection]]\nname = "{name}"' for name in closed] or ["[model]"]
        used = "".join(f'\n{place}\nlora = "{wanted.name}"\n' for place in places)
        found.append(f'[[lora]]\nname = "{wanted.name}"\npath = "{out}"\n{used}')
    return [*found, f"card: {told['card']}", f"bill of materials: {told['bom']}"]


def _progress(what: str, done: int, of: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what}: {done} of {of} ", nl=False, err=True)
    elif what != "chunks" and of >= _MANY and done and done % (of // 10) == 0:
        click.echo(f"{what}: {done} of {of}", err=True)
