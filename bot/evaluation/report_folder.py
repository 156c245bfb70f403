"""The folder that a report is written to: Markdown, JSON, JUnit XML, HTML, and a line for each question.

Rule: a file is there whole or not at all; what else lies in the folder is left alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.errors import Failed
from bot.evaluation.report import Report
from bot.evaluation.report_html import page
from bot.evaluation.report_junit import junit
from bot.evaluation.report_markdown import markdown

QUESTIONS = "questions.jsonl"
_SURROGATE = re.compile("[\ud800-\udfff]")


class ReportFolder:
    """A folder that can be written to; made where it is missing. Raises `Failed` where it cannot be, before
    anybody waits for hours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f"{QUESTIONS}.part"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise Failed(f"no report can be written to {folder}: {error.strerror or error}") from None

    def write(
        self, report: Report, whole: object, questions: Iterable[Mapping[str, object]] | None = None
    ) -> None:
        """report.md, report.json (`whole` as JSON), report.xml, report.html, and a line for each of `questions`
        in questions.jsonl; raises `Failed` where the disk is full."""
        texts = {
            "report.md": markdown(report),
            "report.json": json.dumps(whole, ensure_ascii=False, indent=1) + "\n",
            "report.xml": junit(report),
            "report.html": page(report),
        }
        if questions is not None:
            texts[QUESTIONS] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in questions)
        for name, text in texts.items():
            self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        # A lone surrogate has no UTF-8.
        written = _SURROGATE.sub("�", text).encode()
        try:
            with part.open("wb") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.folder / name)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise Failed(f"{self.folder / name} cannot be written: {error.strerror or error}") from None
