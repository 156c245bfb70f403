"""Some hundred events with faults: nothing is lost or doubled, and nothing stays open. The long run is
`tests/soak_events.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak_events import TOWNS, soak


@pytest.mark.parametrize("platform", sorted(TOWNS))
def test_many_events_leave_nothing_behind(tmp_path: Path, platform: str) -> None:
    """O01."""
    report = soak(platform, tmp_path, events=90, first=45, seed=3, faults=0.05)
    assert (report["lost"], report["doubled"]) == (0, 0)
    assert report["late"]["tasks"] <= report["early"]["tasks"] + 2
    assert report["late"]["sessions"] <= report["early"]["sessions"]
    assert (report["closed"]["tasks"], report["closed"]["sessions"]) == (1, 0)
