"""Everything that can go wrong with a model, as one small tree.

    ModelError
    ├── ModelUnavailable     there is no model to answer, or it died: callers fall back
    │   ├── ModelDied        its process ended while it held the request
    │   └── BrokenWeights    the file is missing, truncated or not what it says it is
    ├── ModelBusy            too many questions wait already
    ├── PromptTooLong        the prompt leaves no room for an answer
    └── EmbedderUnavailable  the embedding model cannot be loaded

Each message is one line for the person who runs the program and names the mend. Errors of vendor
libraries never leave the file that imports the vendor.
"""

from __future__ import annotations


class ModelError(Exception):
    """Anything of the models package."""


class ModelUnavailable(ModelError):
    """There is no language model to answer, or it died."""


class ModelDied(ModelUnavailable):
    """The model's process ended while it held the request."""


class BrokenWeights(ModelUnavailable):
    """The weights file is missing, truncated, or not a GGUF."""


class ModelBusy(ModelError):
    """Too many requests wait. `place` is the one this request would have had, `seconds` about its wait."""

    def __init__(self, place: int, seconds: float) -> None:
        super().__init__(f"busy: number {place} in the queue, about {max(1, round(seconds))} s")
        self.place = place
        self.seconds = seconds


class PromptTooLong(ModelError):
    """Prompt and answer together do not fit the model's context."""


class EmbedderUnavailable(ModelError):
    """The embedding model cannot be loaded."""
