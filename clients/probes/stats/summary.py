"""What all attempts of a run came to."""

from __future__ import annotations

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Transport
from probes.core.target import Target
from probes.stats.counts import Counts, by_name, spread_facts, spread_text, words
from probes.stats.histogram import Histogram
from probes.stats.name_counter import NameCounter


class Summary(Counts):
    """Counts all attempts of a run, with the times of each phase.

    The times of look-up and connect count whenever the attempt went on, those of the answer only
    when it was OK.
    """

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__()
        self.outcome = Outcome.OK
        self._target = target
        self._transport = transport
        self._is_expecting = False
        self._times = {phase: Histogram() for phase in Phase}
        self._identities = NameCounter()

    def add(self, result: Result) -> None:
        """Count one attempt. The first that is not OK decides the outcome of the run."""
        self.count(result)
        self._is_expecting = bool(result.expected)
        if self.outcome is Outcome.OK:
            self.outcome = result.outcome
        for phase, took in result.seconds.items():
            if _is_timed(phase, result):
                self._times[phase].add(took)
        if result.identity is not None:
            self._identities.add(result.identity)

    def line(self) -> str:
        """Return the summary as one line of text."""
        failed = words(self._failed())
        counts = (
            f"{self.sent} sent, {self.ok} ok,"
            f" {self.failed.total()} failed{f' ({failed})' if failed else ''}"
        )
        named = {"whole": self.latency, **{each.words: took for each, took in self._times.items()}}
        times = [f"{name} ms {spread_text(took)}" for name, took in named.items() if took.count]
        identities = self._identities.text()
        if unnamed := self.got[Outcome.OK] - self._identities.total:
            identities += f" and {unnamed} without" if identities else ""
        got = f"got {words(by_name(self.got))}" if self._is_expecting else ""
        parts = filter(None, [got, *times, f"by identity: {identities}" if identities else ""])
        return "; ".join([f"SUMMARY {self._transport.to(self._target)} {counts}", *parts])

    def facts(self) -> dict[str, object]:
        """Return the same facts under names, for JSON; times are null when there are none."""
        return {
            "target": str(self._target),
            "transport": self._transport.value,
            "sent": self.sent,
            "ok": self.ok,
            "failed": self._failed(),
            "got": by_name(self.got),
            "elapsed_ms": spread_facts(self.latency),
            **{f"{phase}_ms": spread_facts(took) for phase, took in self._times.items()},
        }

    def daytime_facts(self) -> dict[str, object]:
        """Return what JSON adds for daytime: answers by identity, the most frequent first."""
        identities = self._identities
        return {
            "identities": dict(identities.names.most_common()),
            "other_identities": identities.others,
        }

    def _failed(self) -> dict[str, int]:
        # With an expectation there is one word for everything else.
        if self._is_expecting and self.failed:
            return {Outcome.WRONG.name: self.failed.total()}
        return by_name(self.failed)


def _is_timed(phase: Phase, result: Result) -> bool:
    if phase in (Phase.LOOKUP, Phase.CONNECT):
        return result.phase is not phase
    return result.got is Outcome.OK
