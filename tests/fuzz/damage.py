"""How bytes, texts and documents are damaged."""

from __future__ import annotations

import random
from typing import Any

ODD_TEXTS = (
    *(
        "",
        " ",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "\0",
        "\x1b[31m",
        "\u202e",
        "\ufffe",
        "=1+1",
        "@x",
        "::error::x",
    ),
    *("nan", "inf", "-1", "0", "1e308", "1e-320", "9" * 400, "9" * 5000, "1e400", "٣", "x" * 300, "<script>", "true"),
    *("None", "[]", "{}", "'", '"', "\n", "\r\n", ",", ";", "\ud800", "a" * 70000),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, 0.0, -0.5, 1e308, 1e-320),
    *([], {}, [None], [[]], {"a": 1}, [1] * 50),
    *ODD_TEXTS[:30],
)


def damage_bytes(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or insert some bytes."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        place = rng.randrange(len(damaged) + 1)
        length = min(rng.choice((1, 1, 2, 4, 8, 64)), len(damaged) - place)
        kind = rng.randrange(6)
        if kind == 0:
            damaged[place : place + length] = rng.randbytes(length)
        elif kind == 1:
            del damaged[place : place + length]
        elif kind == 2:
            damaged[place:place] = rng.randbytes(rng.choice((1, 4, 9)))
        elif kind == 3:
            damaged[place:place] = damaged[place : place + length]
        elif kind == 4 and damaged:
            damaged[place % len(damaged)] ^= 1 << rng.randrange(8)
        elif rng.random() < 0.2:
            del damaged[place:]
    return bytes(damaged)


def damage_document(rng: random.Random, document: Any) -> Any:
    """Replace, remove or add a value anywhere in plain data."""
    if isinstance(document, dict) and document and rng.random() < 0.85:
        changed, key = dict(document), rng.choice(list(document))
        kind = rng.random()
        if kind < 0.1:
            del changed[key]
        elif kind < 0.15:
            changed[rng.choice(ODD_TEXTS)] = changed.pop(key)
        else:
            changed[key] = damage_document(rng, changed[key])
        return changed
    if isinstance(document, list) and document and rng.random() < 0.85:
        place = rng.randrange(len(document))
        kind = rng.random()
        if kind < 0.1:
            return document[:place] + document[place + 1 :]
        if kind < 0.2:
            return [*document, document[place]]
        return [*document[:place], damage_document(rng, document[place]), *document[place + 1 :]]
    return rng.choice(ODD_VALUES)
