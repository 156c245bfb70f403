"""The guide for a new backend runs as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_backend_of_the_guide_answers_what_the_guide_says() -> None:
    guide = (ROOT / "docs" / "add-a-model-backend.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=True)
    told = re.search(r"It prints `(.*?)`", guide)
    assert told is not None
    assert done.stdout.strip() == told[1]
