"""Which documents are kept from training, for ever and by everybody.

Rule: one fixed fifth of all documents, by their titles alone; whoever trains or calibrates asks here.
"""

from __future__ import annotations

import hashlib
import unicodedata

FIFTHS = 5


def is_test(title: str) -> bool:
    """Whether the document called `title` is one to measure on and never to train on.

    Underscores count as blanks, and an accent as the same however it is written, so that a title may come
    from a file name.
    """
    plain = unicodedata.normalize("NFC", title.replace("_", " "))
    digest = hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
    return int(digest, 16) % FIFTHS == 0
