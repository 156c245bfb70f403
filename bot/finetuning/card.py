"""The data card that stands beside the rows: what they are made of, under which licences, what was left out.

Rule: every figure comes from the preparation itself; nothing in it changes from one run to the next of the
same sources and seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.finetuning.prepared import Prepared, sha256_of_rows
from bot.finetuning.row_parts import question_of
from bot.languages import language_of
from models.finetune.rows import Row

MARK = "<!-- data card of groundling finetune prepare -->"
_KNOWN = frozenset(
    """apache-2.0 mit cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-4.0
    cc-by-nc-sa-4.0 bsd-2-clause bsd-3-clause odc-by pddl gpl-3.0 unlicense""".split()
)
"""Licences that the Hugging Face header has a word for (its list of licence identifiers)."""


def card_file(rows: Path) -> Path:
    """README.md beside the rows, or a name of its own where somebody else's README.md stands."""
    file = rows.with_name("README.md")
    try:
        foreign = MARK not in file.read_text(encoding="utf-8")
    except FileNotFoundError:
        foreign = False
    except (OSError, UnicodeDecodeError):
        foreign = True
    return rows.with_name(f"{rows.stem}.README.md") if foreign else file


def card(prepared: Prepared, rows: Path, test: Path) -> str:
    """The card as Markdown with a Hugging Face header."""
    return "\n".join(
        [
            *_header(prepared, rows, test),
            MARK,
            f"# {rows.stem}",
            "",
            "Questions with the passages that a search found for them, as the assistant puts them to its model, and "
            "the answer that it should give: the documents' own words with the numbers of their passages, or the "
            "refusal where no passage answers.",
            "",
            *_files(prepared, rows, test),
            *_sources(prepared),
            *_shape(prepared),
            *_checks(prepared),
            "## Made with",
            "",
            f"`groundling finetune prepare`, seed {prepared.seed}. Rows and test are kept apart by source document: "
            "the sha256 of a document's title decides, so that the same fifth is held back always.",
            "",
        ]
    )


def _header(prepared: Prepared, rows: Path, test: Path) -> Iterator[str]:
    licences = sorted({source.licence for source in prepared.sources})
    word = "-".join(licences[0].lower().split())
    alone = len(licences) == 1
    yield "---"
    yield f"pretty_name: {json.dumps(rows.stem, ensure_ascii=False)}"
    yield f"license: {word if alone and word in _KNOWN else 'other'}"
    if not (alone and word in _KNOWN):
        yield f"license_name: {json.dumps(' and '.join(licences), ensure_ascii=False)}"
    yield f"language: {json.dumps(sorted({language_of(question_of(row)) for row in prepared.rows}))}"
    yield "task_categories: [question-answering]"
    yield "configs:"
    yield "- config_name: default"
    yield "  data_files:"
    yield "  - split: train"
    yield f"    path: {json.dumps(rows.name, ensure_ascii=False)}"
    if prepared.test:
        yield "  - split: test"
        yield f"    path: {json.dumps(test.name, ensure_ascii=False)}"
    yield "---"


def _files(prepared: Prepared, rows: Path, test: Path) -> Iterator[str]:
    def line(name: str, some: Sequence[Row], what: str) -> list[object]:
        return [
            f"`{name}`",
            len(some),
            len({row.document for row in some}),
            what,
            f"`{sha256_of_rows(some)}`",
        ]

    files = [line(rows.name, prepared.rows, "to train on")]
    files += [line(test.name, prepared.test, "to measure on, never to train on")] if prepared.test else []
    yield from _table(["file", "rows", "documents", "for", "sha256"], files)
    readers = prepared.audience
    yield (
        f"**Not for everyone**: rows draw on the collections {readers}; whoever uses a model trained on them must be "
        "allowed to read these."
        if readers
        else "All passages may be read by everyone."
    )
    yield ""


def _sources(prepared: Prepared) -> Iterator[str]:
    yield from ("## Sources", "")
    lines: list[list[object]] = []
    for source in prepared.sources:
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(source.left_out.items()))
        lines.append([source.name, source.licence, source.questions, *prepared.of(source), reasons])
    yield from _table(["source", "licence", "questions", "rows", "test rows", "gave no row"], lines)


def _shape(prepared: Prepared) -> Iterator[str]:
    yield from ("## Rows", "")
    lines: list[list[object]] = [[kind, count] for kind, count in prepared.shapes.items()]
    yield from _table(["answered from", "rows"], lines)
    yield f"{prepared.checked.refusals:.0%} of the rows are refusals; {prepared.tokens:,} tokens in all."
    yield ""


def _checks(prepared: Prepared) -> Iterator[str]:
    yield from ("## Checks", "")
    lines: list[list[object]] = []
    for check in prepared.checked.checks:
        found = "; ".join(f"{kind}: {count}" for kind, count in sorted((check.kinds or {}).items()))
        lines.append([check.name, check.left_out, found])
    yield from _table(["check", "left out", "found"], lines)
    if prepared.keep_personal:
        yield from ("Personal data was not looked for, as `--keep-personal` says.", "")


def _table(heads: Sequence[str], lines: Sequence[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for line in lines:
        yield "| " + " | ".join(" ".join(str(cell).replace("|", "\\|").split()) for cell in line) + " |"
    yield ""
