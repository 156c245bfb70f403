"""The LoRA files of a data folder, and the one that ships with the program.

Rule: a file is called by the sha256 of its bytes, stands there whole or not at all, and is used only while
its bytes are still those.
"""

from __future__ import annotations

import re
from pathlib import Path

from models.copies import copied
from models.errors import BrokenWeights, ModelUnavailable
from models.gguf_reading import read_contents
from models.lora import MAX_HEADER, LoraHeader, read_lora
from models.weights import Weights, sha256_of

_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_NAMED = re.compile(r"(.+) sha256:([0-9a-f]{64})")


class LoraFolder:
    """The folder `<data>/lora`, made when something is first taken in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where the LoRA with that hash lies, if it does."""
        return self._folder / f"{sha256}.gguf"

    def take_in(self, file: Path, base: Weights) -> tuple[str, LoraHeader]:
        """Copies the LoRA `file`, which must fit `base`, all or nothing; gives its sha256.

        Raises BrokenWeights for a file that is no LoRA for `base`, ModelUnavailable when it cannot be copied.
        """
        header = read_lora(file, base=base.path, base_sha256=base.sha256)
        try:
            return self._copy(file, base), header
        except OSError as error:
            raise ModelUnavailable(
                f"{file.name} cannot be copied to {self._folder}: {error.strerror}; make room and try again"
            ) from error

    def whole(self, sha256: str, base: Weights) -> LoraHeader:
        """What the LoRA says of itself, its bytes compared with its name and held against `base`; raises BrokenWeights."""
        path = self.path(sha256)
        if not path.is_file():
            raise BrokenWeights(
                f"the LoRA {sha256[:12]} is not in {self._folder} any more; evaluate its file again to bring it back"
            )
        found = sha256_of(path)
        if found != sha256:
            raise BrokenWeights(
                f"the LoRA {sha256[:12]} is damaged: its file's sha256 is {found[:12]}…; "
                "evaluate its file again to bring it back"
            )
        return read_lora(path, base=base.path, base_sha256=base.sha256)

    def _copy(self, file: Path, base: Weights) -> str:
        with copied(file, self._folder) as (part, sha256):
            try:
                read_lora(part, base=base.path, base_sha256=base.sha256)
            except BrokenWeights:
                raise BrokenWeights(f"{file.name} changed while it was copied; try again") from None
            part.replace(self.path(sha256))
            return sha256


def shipped_lora() -> Path:
    """Where the LoRA lies that ships with the program, for the model that does; it need not be there."""
    return Path(__file__).parent / "skill" / "answers.gguf"


def lineage(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What a LoRA of this program says it was made from, as sha256s by their role ("recipe", or "rows" with the
    name of each file), and the rest that it says of itself; raises BrokenWeights."""
    contents = read_contents(path, noun="LoRA file", header_bytes=MAX_HEADER)
    made_from, notes = {}, {}
    for key in contents.metadata:
        role = key.removeprefix("groundling.")
        text = contents.text(key)
        if role == key or text is None:
            continue
        found = _SHA256.fullmatch(text)
        several = [_NAMED.fullmatch(part) for part in text.split("; ")]
        if found is not None:
            made_from[role] = found[1]
        elif all(several):
            made_from.update({f"{role} {one[1]}": one[2] for one in several if one})
        else:
            notes[role] = text
    return made_from, notes
