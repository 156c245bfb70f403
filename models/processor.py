"""What this processor computes fast."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@functools.cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware; elsewhere it would be slower."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def fastest_dtype() -> torch.dtype:
    """bfloat16 where the processor has it, else float32."""
    import torch

    return torch.bfloat16 if has_bfloat16() else torch.float32
