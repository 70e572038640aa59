"""Run cases made from seeds; each must end with an answer or one message, in time, and leave everything else alone."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ortbench.errors import OrtbenchError

# A case takes milliseconds; this is for a machine that is busy with other things.
LIMIT_S = 30
_LONGEST_MESSAGE = 1 << 20
SECRET = "secret-outside"


class EscapeError(AssertionError):
    """Something outside the case's own folder was read or written."""


class Hang(BaseException):
    """A case took longer than anything should; not an Exception, so that nothing in between takes it for its own."""


# Makes what is to be read below the folder, reads it, and returns what came of it in a word or two.
Case = Callable[[random.Random, Path], str]


@dataclass
class Outcome:
    """What a number of cases came to.

    Attributes:
        answers: how often which answer was given; refusals are `refused`.
        faults: of each kind of fault its first case's number and trace.
        counts: how often each fault happened.
    """

    cases: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)


def run_cases(name: str, case: Case, numbers: range, seed: int) -> Outcome:
    """Run cases one after the other, each from the seed and its own number, in a folder of its own."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix=f"ortbench-fuzz-{name}-") as scratch:
        for number in numbers:
            _run_one(case, random.Random(f"{name}-{seed}-{number}"), Path(scratch), number, outcome)
    return outcome


def _run_one(case: Case, rng: random.Random, scratch: Path, number: int, outcome: Outcome) -> None:
    folder = scratch / "case" / "own"
    folder.mkdir(parents=True)
    (scratch / "case" / SECRET).write_bytes(b"nobody may know")
    before = os.getcwd()  # noqa: PTH109 - compared, not used as a path
    outcome.cases += 1
    try:
        with _within(LIMIT_S), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer = case(rng, folder)
        outcome.answers[answer] += 1
    except OrtbenchError as error:
        outcome.answers["refused"] += 1
        if len(str(error)) > _LONGEST_MESSAGE:
            _note(outcome, number, f"message of {len(str(error))} characters", str(error)[:1000])
    except (Exception, Hang) as error:  # noqa: BLE001 - this is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        # The last one of a hang is the alarm's own.
        place = frames[-2 if isinstance(error, Hang) else -1]
        _note(
            outcome,
            number,
            f"{type(error).__name__} at {Path(place.filename).name}:{place.name}",
            traceback.format_exc(),
        )
    if sorted(path.name for path in (scratch / "case").iterdir()) != sorted(["own", SECRET]):
        _note(outcome, number, "wrote outside", str(list((scratch / "case").iterdir())))
    if (scratch / "case" / SECRET).read_bytes() != b"nobody may know" or os.getcwd() != before:  # noqa: PTH109
        _note(outcome, number, "changed what is outside", "")
    shutil.rmtree(scratch / "case")


def _note(outcome: Outcome, number: int, what: str, trace: str) -> None:
    outcome.counts[what] += 1
    outcome.faults.setdefault(what, (number, trace))


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raise Hang where the block takes longer."""

    def late(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
        raise Hang(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
