"""The one tree of exceptions.

OrtbenchError
├── UsageError            exit 2: nothing was measured or written
│   ├── EngineSpecError   an engine that is misspelled, twice there, or has an option it does not know
│   ├── EngineUnavailable an engine or target that cannot run on this machine
│   ├── ModelError        a model that is not in the catalog, or a file that is no usable ONNX model
│   ├── InputShapeError   a model input whose shape or values nothing given determines
│   └── ResultsError      a results folder or CSV that cannot be read
├── DrawingError          exit 3: nothing could be drawn; figures and record are as they were
├── RecordError           exit 3: the results folder can no longer be written; what is in it is kept
├── ExportError           exit 2: the model could not be exported, or its export does not agree with it
│   └── ExportCrashed     exit 70: the process that exported it died or hung
└── ArmError              this arm only: the worker died, hung, or reported a fault
    └── ArmInvalid        it ran, but not what it claimed: wrong outputs, another execution provider
"""

from __future__ import annotations

from collections.abc import Iterable

# sysexits.h: EX_SOFTWARE.
INTERNAL = 70

# Of choices named in a message; more than this nobody reads.
MOST_CHOICES = 100


class OrtbenchError(Exception):
    """Anything that ortbench reports as one message, without a traceback.

    Attributes:
        exit_code: of the command. 1 is a failed gate's, so no error has it.
        args: the message, one line in most cases; more lines are given as more arguments, so that a line end in data
            is told from one of ours.
    """

    exit_code = INTERNAL

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class UsageError(OrtbenchError):
    """Wrong usage or bad input; raised before anything is measured or written."""

    exit_code = 2


class EngineSpecError(UsageError):
    """An engine's spelling, option or repetition is wrong."""


class EngineUnavailable(UsageError):  # noqa: N818 - reads as the sentence it reports
    """An engine or its target cannot run here."""


class ModelError(UsageError):
    """A model is unknown, or its file is unusable."""


class InputShapeError(ModelError):
    """An input's shape or values are not determined by what was given."""


class ResultsError(UsageError):
    """A results folder or CSV cannot be read."""


class RecordError(OrtbenchError):
    """The results folder can no longer be written, as on a full disk."""

    exit_code = 3


class DrawingError(OrtbenchError):
    """No picture could be drawn; the figures are as they were."""

    exit_code = 3


class ExportError(OrtbenchError):
    """The export failed, or the exported model disagrees with the original: another opset, exporter or lane may do."""

    exit_code = 2


class ExportCrashed(ExportError):  # noqa: N818 - reads as the sentence it reports
    """The process that exported the model died or hung."""

    exit_code = INTERNAL


class ArmError(OrtbenchError):
    """One arm failed; the rest of the study goes on.

    Attributes:
        stderr: the end of what its process wrote to standard error, if it died.
    """

    exit_code = 3

    def __init__(self, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.stderr = stderr


class ArmInvalid(ArmError):  # noqa: N818 - the status that it leads to
    """One arm ran something else than it claimed."""


def expected_one_of(what: str, choices: Iterable[str], got: str) -> str:
    """Word a message: Expected WHAT to be one of [...], but got 'GOT'."""
    return f"Expected {what} to be one of [{enumerated(choices)}], but got '{got}'."


def enumerated(choices: Iterable[str]) -> str:
    """Join choices by commas; of very many only the first, and how many more there are."""
    listed = list(choices)
    more = f", and {len(listed) - MOST_CHOICES} more" if len(listed) > MOST_CHOICES else ""
    return ", ".join(listed[:MOST_CHOICES]) + more
