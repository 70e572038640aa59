"""What the names of a model's dimensions say: nameless ones, the batch, and others. Pure functions of text.

Exporters write an open dimension in many ways: a name of the author's (`batch_size`), a generated one (`unk__214`,
`s77`), a placeholder (`?`), an empty name, or -1. ONNX Runtime compares none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What a nameless dimension is called here: this, the tensor's name, and the axis.
NAMELESS = "?"

_PLACEHOLDER = re.compile(r"(\?.*|-1|none|unk__\d+|unknown|dynamic|)", re.IGNORECASE)
# Written by torch.export (s77), torch.onnx for a list of dynamic axes (x_dynamic_axes_1), shape inference
# (Concat_12_dim_0, y_o0__d0) and PaddlePaddle (DynamicDimension.0).
_GENERATED = re.compile(
    r"[su]\d+|unk__\d+|(.*_)?(dim|axis)_?\d+|.*_dynamic_axes_\d+|.*__d\d+|(p2o\.)?DynamicDimension\.\d+"
)
_SHORT = frozenset({"n", "b"})
_BATCH_WORDS = frozenset({"batch", "batches", "batchsize", "bs", "bsz", "nbatch", "minibatch"})
# With one of these the batch is part of another quantity: `batch_size * heads` is no number of items.
_EXPRESSION = re.compile(r"[+*/()\s]|-\s*\d")
_OTHER_WORDS = frozenset(
    {"sequence", "seq", "length", "len", "steps", "step", "time", "timesteps", "frames", "frame", "tokens", "token"}
    | {"past", "total", "context", "window", "height", "width", "h", "w", "channels", "channel", "features", "dim"}
    | {"nodes", "edges", "boxes", "dets", "vocab", "hidden", "kv", "cache", "points", "atoms"}
)
_IMAGE_WORDS = frozenset({"height", "width", "h", "w", "channels", "channel"})
_TERM = re.compile(r"\s*([+-])\s*")


def is_placeholder(name: str) -> bool:
    """Say whether a name stands for no dimension in particular, so that each of its places is one of its own."""
    return _PLACEHOLDER.fullmatch(name) is not None


def is_nameless(symbol: str) -> bool:
    """Say whether a symbol was made here for a nameless dimension."""
    return symbol.startswith(NAMELESS)


def tells_nothing(symbol: str) -> bool:
    """Say whether a symbol is nameless or was generated, so that equal dimensions may have different ones."""
    return is_nameless(symbol) or _GENERATED.fullmatch(symbol) is not None


def batch_rank(symbol: str) -> int:
    """Return how clearly a symbol is called the batch: 2 by a word (`batch_size`), 1 by a letter (`N`), else 0."""
    if is_nameless(symbol) or _EXPRESSION.search(symbol):
        return 0
    words = _words(symbol)
    if words & _BATCH_WORDS or "batch" in symbol.lower():
        return 2
    return 1 if symbol.lower() in _SHORT else 0


def is_another(symbol: str) -> bool:
    """Say whether a symbol is called something that is never the batch, such as a length or a number of boxes."""
    return bool(_EXPRESSION.search(symbol)) or bool(_words(symbol) & _OTHER_WORDS)


def is_no_image(symbol: str) -> bool:
    """Say whether a symbol is called something that no dimension of an image is, such as a length."""
    return bool(_words(symbol) & (_OTHER_WORDS - _IMAGE_WORDS))


def evaluate(symbol: str, known: dict[str, int]) -> int | None:
    """Return the number of a sum such as `past + sequence` or `past + 1`; None where a part is not known."""
    signs = ["+", *_TERM.findall(symbol)]
    total = 0
    for sign, term in zip(signs, _TERM.split(symbol)[::2], strict=True):
        number = int(term) if term.isdecimal() else known.get(term)
        if number is None:
            return None
        total += number if sign == "+" else -number
    return total if len(signs) > 1 and total >= 0 else None


def depends_on(symbol: str, names: Iterable[str]) -> bool:
    """Say whether a symbol is an expression with one of these names in it, such as `batch_size * beams`."""
    return bool(_EXPRESSION.search(symbol)) and bool(set(re.split(r"[^\w.]+", symbol)) & set(names))


def _words(symbol: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", symbol)
    return set(re.split(r"[^a-z]+", spaced.lower()))
