"""Go on with a study that was ended early: what it left behind, and whether this is still the same study."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ortbench.errors import UsageError
from ortbench.results.folder import LAUNCHES_FILE, ROUNDS_FILE, read_run
from ortbench.results.journal import read_launches, read_rounds
from ortbench.results.likeness import differences
from ortbench.results.schema import LaunchRecord, RoundRecord, Run
from ortbench.runner.machine import DISTRIBUTIONS

_OTHER_COMMIT = "it went on at another commit than it was begun at:"


@dataclass(frozen=True)
class EarlierPart:
    """What a results folder holds of a study that is to go on."""

    run: Run
    rounds: tuple[RoundRecord, ...]
    launches: tuple[LaunchRecord, ...]

    @property
    def spent_s(self) -> float:
        """Seconds since measuring began; of a study that was killed, as far as the record tells."""
        last = max((line.started_s + (line.wall_ns or 0) / 1e9 for line in self.rounds), default=0.0)
        return max(self.run.time_s.get("total", 0.0), last)

    @property
    def used_s(self) -> float:
        """Seconds of --max-time used so far, which waiting for arms that hung and comparing outputs are not."""
        return self.spent_s - self.run.time_s.get("lost", 0.0)


def read_earlier(folder: Path) -> EarlierPart:
    """Read what there is.

    Raises:
        ResultsError: the folder holds no study, or one that cannot be read.
    """
    run = read_run(folder)
    rounds = read_rounds(folder) if (folder / ROUNDS_FILE).exists() else []
    launches = read_launches(folder) if (folder / LAUNCHES_FILE).exists() else []
    return EarlierPart(run, tuple(rounds), tuple(launches))


def check_unchanged(before: EarlierPart, folder: Path) -> None:
    """Refuse to go on with a study that another process went on with since it was read.

    Raises:
        UsageError: the record is longer or shorter than it was.
        ResultsError: it cannot be read any more.
    """
    now = read_earlier(folder)
    if (len(now.rounds), len(now.launches)) != (len(before.rounds), len(before.launches)):
        raise UsageError(f"The study in '{folder}' went on meanwhile in another process. Give the command again.")


def continued_run(now: Run, before: Run) -> Run:
    """Return run.json's content for a study that goes on: as it was begun, with a note where the commit is another."""
    notes = [note for note in before.notes if note.startswith(_OTHER_COMMIT)]
    if now.git_commit != before.git_commit:
        notes.append(f"{_OTHER_COMMIT} {now.git_commit or 'outside of a repository'}")
    return msgspec.structs.replace(
        now,
        created=before.created,
        command=before.command,
        git_commit=before.git_commit,
        time_s=before.time_s,
        roofline=before.roofline,
        slices=before.slices,
        notes=tuple(dict.fromkeys([*now.notes, *notes])),
    )


def check_same_study(before: EarlierPart, now: Run, folder: Path, *, may_be_spent: bool = False) -> None:
    """Refuse to go on where the figures would be of two different things.

    Args:
        before: the earlier part.
        now: as it would begin now; its artifact may not be known yet.
        folder: for the message.
        may_be_spent: nothing needs to be measured any more.

    Raises:
        UsageError: something differs, or the time is spent; the message says what to do.
    """
    # As it will be read back: tuples become lists.
    now = msgspec.json.decode(msgspec.json.encode(now), type=Run)
    if now.artifact is None:
        now = msgspec.structs.replace(now, artifact=before.run.artifact, artifacts=before.run.artifacts)
    # What engines tell of their own libraries once they are loaded is not known yet, and compared where it is.
    known = {name: version for name, version in before.run.versions.items() if name in {*DISTRIBUTIONS, *now.versions}}
    if differing := differences(msgspec.structs.replace(before.run, versions=known), now):
        command = shlex.join(before.run.command)
        raise UsageError(
            f"The study in '{folder}' cannot go on, since this is not the same study: {'; '.join(differing)}. "
            f"It was started as `{command}`; only --max-time and --target may differ."
        )
    if before.used_s >= now.settings["max_time_s"] and not may_be_spent:
        raise UsageError(
            f"The study in '{folder}' has used {before.used_s:.0f} s, all of its --max-time; "
            "give a longer --max-time to go on."
        )
