"""What this machine offers a model, and what of it would be used.

Rule: a limit set on this process (affinity, cgroup, rlimit) counts as the machine's own; nothing here
loads llama.cpp or a GPU library.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from models.engine.settings import EnginePlan, EngineSettings, KvType
from models.errors import ModelUnavailable
from models.gguf import Header

MIB = 1024 * 1024
CHILD_BYTES = 110 * MIB  # Python, numpy, llama.cpp's libraries and its small buffers, measured
GPU_SHARE = 0.9  # of a GPU's free memory that a model may fill
_NO_LIMIT = 2**60
_KV_BYTES: dict[KvType, float] = {"f16": 2.0, "q8_0": 34 / 32}
_OFFLOADING = ("cuda", "hip", "vulkan", "metal", "sycl", "musa", "opencl", "cann")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver reports it; memory in bytes."""

    name: str
    memory: int
    free: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """`cores` may be used by this process. `memory_free` is what can still be taken, in bytes, under
    every limit; `memory` the most there could be. `offload` names the GPU back-ends that the installed
    llama.cpp was built with."""

    cores: int
    memory: int
    memory_free: int
    gpus: tuple[Gpu, ...]
    offload: tuple[str, ...]
    cpu: str
    cpu_features: tuple[str, ...]

    @classmethod
    def from_machine(cls) -> Hardware:
        """Looks at the machine as it is now; asks nvidia-smi where there is one (up to 5 s)."""
        name, features = _cpu()
        total, free = _memory()
        return cls(_cores(), total, free, _gpus(), _offload(), name, features)


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory a plan takes: the weights, the context, and everything else."""

    weights: int
    context: int
    rest: int

    @property
    def total(self) -> int:
        return self.weights + self.context + self.rest


def plan(
    path: Path,
    header: Header,
    settings: EngineSettings,
    *,
    hardware: Hardware | None = None,
    sha256: str = "",
) -> EnginePlan:
    """What `settings` come to for this model, whose file has that `sha256`, on this machine."""
    gpu_layers = _gpu_layers(header, settings, hardware)
    return EnginePlan(
        path=str(path),
        context_tokens=context_of(header, settings),
        threads=settings.threads or (hardware.cores if hardware else _cores()),
        gpu_layers=gpu_layers,
        kv_type=settings.kv_type,
        flash_attention=settings.flash_attention,
        batch_tokens=settings.batch_tokens or _batch(header, offloaded=gpu_layers > 0),
        repack="amx_tile" not in (hardware.cpu_features if hardware else _cpu()[1]),
        sha256=sha256,
        parallel=settings.parallel,
        kv_tokens=kv_tokens_of(header, settings),
        prompt_memory_mb=settings.prompt_memory_mb,
        passage_cache=settings.passage_cache,
        passage_memory_mb=settings.passage_memory_mb,
        passage_disk_mb=settings.passage_disk_mb,
        passages=str(settings.passages) if settings.passages else None,
        split=settings.split,
        loras=settings.loras,
        lora_contexts=settings.lora_contexts,
    )


def context_of(header: Header, settings: EngineSettings) -> int:
    """The context's length in tokens: never more than the model was trained for."""
    return min(settings.context_tokens, header.context_tokens)


def kv_tokens_of(header: Header, settings: EngineSettings) -> int:
    """Tokens that all answers being written may hold together: a context for each, or, where they share
    their memory for the passage cache, half as much, because few fill theirs."""
    context = context_of(header, settings)
    if not settings.passage_cache:
        return context * settings.parallel
    return max(context, settings.kv_tokens or context * (settings.parallel + 1) // 2)


def need(header: Header, plan: EnginePlan) -> Need:
    """An estimate from above of the memory that `plan` takes on the processor's side."""
    on_gpu = min(1.0, plan.gpu_layers / (header.layers + 1))
    contexts = 1 + min(len(plan.loras), plan.lora_contexts)
    context = int(header.kv_values * plan.kv_tokens * contexts * _KV_BYTES[plan.kv_type])
    # llama.cpp's compute buffer: the logits of a batch are its largest tensor.
    buffers = plan.batch_tokens * header.vocabulary * 4
    kept = plan.prompt_memory_mb + plan.passage_cache * plan.passage_memory_mb
    rest = CHILD_BYTES + buffers + kept * MIB
    return Need(int(header.file_bytes * (1 - on_gpu)), int(context * (1 - on_gpu)), rest)


def check_memory(header: Header, plan: EnginePlan, *, free: int | None = None) -> None:
    """Raises ModelUnavailable, naming need and have, when `plan` would not fit into memory.

    `free` in bytes; None looks at the machine.
    """
    needed = need(header, plan)
    have = _memory()[1] if free is None else free
    if needed.total <= have:
        return
    fits = _fitting_context(header, plan, have - needed.weights - needed.rest)
    mend = f"set the context to {fits:,} tokens" if fits >= 512 else "choose a smaller model"
    raise ModelUnavailable(
        f"{Path(plan.path).name} needs {_mib(needed.total)} of memory ({_mib(needed.weights)} weights, "
        f"{_mib(needed.context)} for {plan.kv_tokens:,} tokens of context), but {_mib(have)} can be had: "
        f"{mend}, or free memory"
    )


def processor() -> tuple[str, int]:
    """The processor's name and how many of its cores this process may use."""
    return _cpu()[0], _cores()


def memory_limit(folder: Path) -> tuple[int, int]:
    """Limit and use of the cgroup at `folder`; cached file pages do not count as used, also those that were read
    more than once, as a model's are that was hashed."""
    for limit_file, used_file, cached in (
        ("memory.max", "memory.current", ("inactive_file", "active_file")),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    ):
        limit, used = _words(folder / limit_file), _words(folder / used_file)
        if not limit or not limit[0].isdigit() or not used or int(limit[0]) >= _NO_LIMIT:
            continue
        words = _words(folder / "memory.stat")
        given_back = sum(int(words[words.index(kind) + 1]) for kind in cached if kind in words)
        return int(limit[0]), max(0, int(used[0]) - given_back)
    return _NO_LIMIT, 0


def describe(
    path: Path, header: Header, settings: EngineSettings, *, hardware: Hardware
) -> tuple[tuple[str, str], ...]:
    """For people: what was found and what would be used, as pairs of a label and one line."""
    used = plan(path, header, settings, hardware=hardware)
    needed = need(header, used)
    cards = ", ".join(f"{gpu.name} ({_mib(gpu.free)} free of {_mib(gpu.memory)})" for gpu in hardware.gpus)
    built = (
        f"llama.cpp can use {', '.join(hardware.offload)}"
        if hardware.offload
        else "llama.cpp was built without"
    )
    return (
        ("processor", f"{hardware.cpu or 'unknown'}, {hardware.cores} cores usable"),
        ("memory", f"{_mib(hardware.memory_free)} free of {_mib(hardware.memory)}"),
        ("GPU", f"{cards or 'none found'}; {built}"),
        (
            "model",
            f"{path.name}: {header.architecture}, {header.parameters / 1e6:,.0f} M parameters, "
            f"{header.licence or 'licence not named'}, trained for {header.context_tokens:,} tokens, "
            f"{'its own' if header.chat_template else 'no'} chat template",
        ),
        (
            "would use",
            f"{used.threads} threads, {used.gpu_layers} of {header.layers + 1} layers on a GPU, "
            f"{used.context_tokens:,} tokens of context as {used.kv_type}, prompts in batches of {used.batch_tokens}, "
            f"{_mib(needed.total)} of memory",
        ),
    )


def _fitting_context(header: Header, plan: EnginePlan, room: int) -> int:
    """The longest context that fits into `room` bytes, for all that are kept, in steps of 256 tokens."""
    contexts = max(1.0, plan.kv_tokens / plan.context_tokens)
    a_token = header.kv_values * _KV_BYTES[plan.kv_type] * contexts
    return min(plan.context_tokens, int(room / a_token)) // 256 * 256 if room > 0 and a_token else 0


def _batch(header: Header, *, offloaded: bool) -> int:
    """Small enough that a slow processor reads a batch within a few seconds, so that a cancellation is
    soon seen; it depends on the model alone, because another batch size gives slightly other answers."""
    if offloaded:
        return 512
    return 256 if header.parameters < 2e9 else 128 if header.parameters < 5e9 else 64


def _gpu_layers(header: Header, settings: EngineSettings, hardware: Hardware | None) -> int:
    if settings.gpu_layers != "auto":
        return settings.gpu_layers if settings.gpu_layers >= 0 else header.layers + 1
    offload = hardware.offload if hardware else _offload()
    if not offload:
        return 0
    gpus = hardware.gpus if hardware else _gpus()
    free = sum(gpu.free for gpu in (gpus[:1] if settings.split == "none" else gpus)) * GPU_SHARE
    context = header.kv_values * kv_tokens_of(header, settings) * _KV_BYTES[settings.kv_type]
    a_layer = (header.file_bytes + context) / (header.layers + 1)
    return min(header.layers + 1, int(free / a_layer))


def _cores() -> int:
    """Cores of the affinity mask, cut by the cgroup's processor quota, at least one."""
    cores = len(os.sched_getaffinity(0))
    quotas = [_quota(folder) for folder in _cgroups("cpu")]
    return max(1, int(min([float(cores), *quotas])))


def _quota(folder: Path) -> float:
    """Cores that the cgroup at `folder` may use: version 2, then version 1; infinity without a limit."""
    both = _words(folder / "cpu.max")
    if not both:
        both = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
    if len(both) != 2 or not both[0].isdigit() or not both[1].isdigit() or int(both[1]) == 0:
        return float("inf")
    return int(both[0]) / int(both[1])


def _memory() -> tuple[int, int]:
    """Total and free bytes under the tightest of the machine, its cgroups and this process's limit."""
    machine = _words(Path("/proc/meminfo"))
    total, free = (int(machine[machine.index(word) + 1]) * 1024 for word in ("MemTotal:", "MemAvailable:"))
    for folder in _cgroups("memory"):
        limit, used = memory_limit(folder)
        total, free = min(total, limit), min(free, limit - used)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        total, free = min(total, limit), min(free, limit)
    return total, max(0, free)


def _cgroups(controller: str) -> list[Path]:
    """This process's cgroup folders for `controller`, from its own up to the root."""
    root = Path("/sys/fs/cgroup")
    folders: list[Path] = []
    for line in _words(Path("/proc/self/cgroup"), by_line=True):
        number, controllers, place = (*line.split(":", 2), "", "")[:3]
        if number != "0" and controller not in controllers.split(","):
            continue
        top = root if number == "0" else root / controller
        own = top / place.lstrip("/")
        folders += [own, *(parent for parent in own.parents if parent.is_relative_to(top))]
    return folders


def _gpus() -> tuple[Gpu, ...]:
    """What nvidia-smi lists and CUDA_VISIBLE_DEVICES leaves; nothing where it is missing, fails or hangs."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        rows = [line.partition(",") for line in done.stdout.splitlines() if line.strip()]
        found = [(uuid.strip(), *card.rsplit(",", 2)) for uuid, _, card in rows]
        gpus = [
            (uuid, Gpu(name.strip(), int(all_) * MIB, int(free) * MIB)) for uuid, name, all_, free in found
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
    return _visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _visible(gpus: list[tuple[str, Gpu]], wanted: str | None) -> tuple[Gpu, ...]:
    """Those of `gpus` with their ids that CUDA lets the model see, as far as the first that is not there; all
    where `wanted` names parts of GPUs, whose memory nvidia-smi does not list."""
    if wanted is None or "MIG-" in wanted:
        return tuple(gpu for _, gpu in gpus)
    seen: list[Gpu] = []
    for name in (word.strip() for word in wanted.split(",")):
        known = [
            gpu
            for place, (uuid, gpu) in enumerate(gpus)
            if name == str(place) or (name.startswith("GPU-") and uuid.startswith(name))
        ]
        if not known:
            break
        seen += known[:1]
    return tuple(seen)


def _offload() -> tuple[str, ...]:
    """The GPU back-ends whose libraries lie in the installed llama-cpp-python."""
    spec = find_spec("llama_cpp")
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(next(iter(spec.submodule_search_locations))) / "lib"
    names = {file.name for file in folder.glob("*ggml-*")}
    return tuple(kind for kind in _OFFLOADING if any(f"ggml-{kind}" in name for name in names))


def _cpu() -> tuple[str, tuple[str, ...]]:
    """The processor's name and those of its features that matter to llama.cpp."""
    telling = ("avx", "fma", "f16c", "amx", "asimd", "sve", "i8mm", "bf16", "dotprod")
    name = ""
    features: tuple[str, ...] = ()
    for line in _words(Path("/proc/cpuinfo"), by_line=True):
        key, _, value = line.partition(":")
        if key.strip() == "model name" and not name:
            name = value.strip()
        elif key.strip() in ("flags", "Features") and not features:
            features = tuple(sorted(word for word in value.split() if word.startswith(telling)))
    return name, features


def _words(file: Path, *, by_line: bool = False) -> list[str]:
    """The words (or lines) of a small text file; none when it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines() if by_line else text.split()


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"
