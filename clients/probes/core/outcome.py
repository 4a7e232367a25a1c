"""How an exchange can end: one word, one exit code and one meaning each."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

EXIT_WRITE_ERROR = 23  # curl's
# A shell reports 128 and the signal's number for a program that SIGINT or SIGPIPE ended.
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class Outcome(Enum):
    """The fixed set of outcomes; the member's name is the word that scripts may match.

    Codes are curl's where curl has one, so that a habit learnt there holds here.
    """

    OK = (0, "as expected")
    WRONG = (1, "answered, but not what the protocol says, or not what --expect says")
    USAGE = (2, "bad address or option")
    DNS = (6, "the name does not resolve")
    REFUSED = (7, "nobody listens there")
    TIMEOUT = (28, "the overall deadline passed")
    CLOSED = (52, "the peer closed before a whole answer")
    RESET = (56, "the connection was reset")
    UNREACHABLE = (71, "no route to the address")
    HTTP09 = (72, "bytes came back, but no HTTP status line")

    def __init__(self, exit_code: int, meaning: str) -> None:
        self.exit_code = exit_code
        self.meaning = meaning


# Those of `probe`: HTTP is for `headinfo` alone.
PROBE_OUTCOMES = tuple(each for each in Outcome if each is not Outcome.HTTP09)


class Failure(Exception):
    """An exchange that cannot end OK: the outcome, and the reason in words for a human."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(outcome, reason)
        self.outcome = outcome
        self.reason = reason

    def after(self, progress: str) -> Failure:
        """The same failure, also saying how far the exchange had come."""
        return Failure(self.outcome, f"{self.reason} ({progress})")


def outcome_table(outcomes: Iterable[Outcome]) -> str:
    """Outcomes as aligned lines of word, exit code and meaning, for `--help`."""
    return "\n".join(f"  {each.name:<12}{each.exit_code:>3}  {each.meaning}" for each in outcomes)
