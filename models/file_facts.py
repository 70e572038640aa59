"""What a model file says of itself that decides how its outputs are compared. Read by `export/facts.py`."""

from __future__ import annotations

from typing import Literal

import msgspec

# In how many bits a file's maker had it compute, the coarsest first.
Made = Literal["", "int4", "int8", "fp16", "bf16"]


_NAMED = 3
# What is in still fewer bits is in the coarsest lane that there is.
_LANES = {"int4": ("int8",), "int8": ("int8",), "fp16": ("fp16",), "bf16": ("bf16",)}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """An output of positions that an ArgMax, ArgMin or TopK chose.

    Attributes:
        output: its name.
        deciding: the tensor of values among which is chosen.
        axis: of that tensor, along which is chosen.
    """

    output: str
    deciding: str
    axis: int


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of an .onnx file.

    Attributes:
        made: the numbers that its maker had it compute in, where these are fewer bits than float32; else empty.
        random: nodes that draw random numbers, each as `RandomNormalLike 'noise'`.
        choices: outputs of chosen positions, whose deciding values can be had.
        decided: outputs of integers or booleans that come of comparing or rounding floating-point numbers otherwise.
        left_out: outputs that are no tensors, each as `'probabilities' (a sequence)`.
    """

    made: Made = ""
    random: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    decided: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes that the file is in as it is, so that nothing needs to be converted for them."""
        return _LANES.get(self.made, ())


def random_reason(nodes: tuple[str, ...]) -> str:
    """Say that a model draws random numbers and by which nodes, of which none need be known."""
    if not nodes:
        return "the model gives other outputs for the same inputs each time that it is run"
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return f"the model draws random numbers ({', '.join(nodes[:_NAMED])}{more})"


def file_notes(facts: FileFacts, *, random: bool) -> list[str]:
    """Say what follows from a file's facts for how its outputs are compared.

    Args:
        facts: of the file.
        random: whether the reference was seen to differ from itself.
    """
    notes = []
    if facts.made in ("int8", "int4"):
        notes.append(
            f"the model is {facts.made}, as its maker quantised it: outputs are compared in steps of quantisation, "
            "between the graph as it is and as each engine optimises it"
        )
    elif facts.made:
        notes.append(
            f"the model is {facts.made}, as its maker wrote it: outputs are compared in {facts.made}'s tolerance"
        )
    if random:
        notes.append(f"{random_reason(facts.random)}, so that outputs cannot be compared: parity is unknown")
    if facts.left_out:
        what = "outputs are" if len(facts.left_out) > 1 else "output is"
        notes.append(f"the {what} computed, but neither fetched nor compared: {', '.join(facts.left_out)}")
    return notes
