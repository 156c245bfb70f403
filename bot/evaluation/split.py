"""Which documents are kept from training, for ever and by everybody.

Rule: one fixed fifth of all documents, by their titles alone; whoever trains or calibrates asks here.
"""

from __future__ import annotations

import hashlib
import unicodedata

FIFTHS = 5
TWELFTHS = 12


def is_test(title: str) -> bool:
    """Whether the document called `title` is one to measure on and never to train on.

    Underscores count as blanks, and an accent as the same however it is written, so that a title may come
    from a file name.
    """
    return _number(title) % FIFTHS == 0


def is_calibration(title: str) -> bool:
    """Whether a bound may be set on the document called `title`: a twelfth of those that are not measured on."""
    number = _number(title)
    return number % FIFTHS != 0 and number // FIFTHS % TWELFTHS == 0


def unseen(title: str) -> bool:
    """Whether neither a LoRA nor the judge may have learned from, or been calibrated on, the document `title`."""
    # The judge that is shipped was trained when titles counted as files write them, with underscores.
    written = hashlib.sha256(title.replace(" ", "_").encode("utf-8", "replace")).hexdigest()
    return is_test(title) and int(written, 16) % FIFTHS == 0


def fold(title: str, folds: int) -> int:
    """In which of so many folds the document called `title` is, counting from 0; whatever else it is kept for."""
    return _number(title) // (FIFTHS * TWELFTHS) % folds


def _number(title: str) -> int:
    plain = unicodedata.normalize("NFC", title.replace("_", " "))
    return int(hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest(), 16)
