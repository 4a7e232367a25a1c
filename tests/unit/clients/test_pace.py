"""The pace of several tries, on a clock of the test's own."""

from __future__ import annotations

import time

import pytest

from probes.series import paced


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries start an interval apart, a late one is followed at once, and none waits at the end."""
    now = 0.0
    started = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    for took in zip(paced(4, 10.0), [1.0, 12.0, 2.0, 3.0], strict=True):
        started.append(now)
        now += took[1]
    assert started == [0.0, 10.0, 22.0, 32.0]
    assert now == 35.0
