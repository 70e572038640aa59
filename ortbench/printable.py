"""Text that comes from data, made fit to be printed. Pure functions.

Names of engines and models, reasons and notes may come from anyone's file. Printed as they are, they could move a
terminal's cursor, write to its clipboard, reverse the direction of a line, or give a CI system a command. Every way
out of ortbench passes through a function of this module: `streams` for standard output and standard error, the console
of `charts.console`, the Markdown and gate formats of `results`, the pictures and pages of `charts`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# A line of at most so many characters; the longest sentence of ortbench's own has some hundreds.
LONGEST = 2000
# The part of a text that is cut which is kept from its beginning; the advice at its end is kept, too.
_HEAD_SHARE = 2 / 3
# GitHub's runner trims a line before it looks for `::`; older syntaxes, such as `##vso[`, are looked for anywhere.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)")
# What CommonMark and GitHub's tables, math and autolinks give a meaning to within a line.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~&$#!])")
# GitHub makes mentions and links of what is shown, so that a backslash does not help: a space of no width does.
_MENTION = re.compile(r"([@#]|:(?=//)|\bwww(?=\.))")
_ESCAPE = re.compile(r"\\(?=[xu0-7bfnrtv])")
_NO_SPACE = "&#8203;"
# For streams that have no such characters; what stands here is what a reader would type.
_TYPED = str.maketrans(
    {
        "\N{PLUS-MINUS SIGN}": "+-",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{MIDDLE DOT}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{EN DASH}": "-",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHTWARDS ARROW}": "->",
        "\N{MICRO SIGN}": "u",
    }
)


def printable(text: str, longest: int | None = LONGEST) -> str:
    r"""Return one line in which whatever cannot be seen is spelled out, as `\x1b`, `\n` or `\u202e`.

    Args:
        text: from anywhere.
        longest: in characters; a longer text loses its middle. None to cut nothing.
    """
    return _spelled(cut(text, longest) if longest is not None else text)


def printable_lines(text: str) -> str:
    """Return the same of a text of several lines, none of them cut."""
    # Line by line, so that the line ends do not make every character of a long text be looked at.
    return "\n".join(map(_spelled, text.split("\n")))


def cut(text: str, longest: int = LONGEST) -> str:
    """Return `text` without its middle, if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    head = round(longest * _HEAD_SHARE)
    tail = longest - head
    return f"{text[:head]} [... {len(text) - longest} characters ...] {text[-tail:]}"


def without_commands(text: str) -> str:
    """Return `text` with what a CI system would take for a command spelled so that it does not."""
    return _OLD_COMMAND.sub(r"\\x23", _COMMAND.sub(r"\1\\x3a", text))


def markdown_text(text: str) -> str:
    """Return `text` so that Markdown shows it as it is, in one line and in a table, too."""
    escaped = _MARKDOWN.sub(r"\\\1", " ".join(printable(text).split()))
    return _MENTION.sub(rf"\1{_NO_SPACE}", escaped)


def encodable(text: str, encoding: str | None) -> str:
    """Return `text` with what `encoding` lacks typed, or replaced by question marks; None means UTF-8."""
    name = encoding or "utf-8"
    try:
        text.encode(name)
    except UnicodeEncodeError:
        return text.translate(_TYPED).encode(name, "replace").decode(name)
    return text


def printable_json(document: str, encoding: str | None = None) -> str:
    """Return the same JSON document with everything spelled out that cannot be seen, or that `encoding` lacks."""

    def needs_spelling(one: str) -> bool:
        return one != "\n" and (_hidden(one) or encodable(one, encoding) != one)

    if not document.isprintable() or not document.isascii():
        document = "".join(_json_escape(one) if needs_spelling(one) else one for one in document)
    # Only within a string can there be one.
    return _OLD_COMMAND.sub(r"\\u0023", document)


def printable_strings(value: Any) -> Any:
    """Return plain data with every string in it, keys included, fit for a picture; line ends stay."""
    if isinstance(value, str):
        return _pictured(cut(value))
    if isinstance(value, dict):
        return {printable_strings(key): printable_strings(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [printable_strings(each) for each in value]
    return value


def without_halves(text: str) -> str:
    """Return text that UTF-8 can hold: halves of characters, as in a file's name that is no UTF-8, are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _pictured(text: str) -> str:
    """Return text for a picture: Vega unescapes some texts, where a backslash and `x01` become one character."""
    shown = "".join(f"<U+{ord(one):04X}>" if _hidden(one) and one != "\n" else one for one in text)
    return _ESCAPE.sub("\N{SET MINUS}", shown)


def _spelled(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one.encode("unicode_escape").decode() if _hidden(one) else one for one in text)


def _hidden(one: str) -> bool:
    """Say whether a character cannot be seen: controls, marks of direction, unassigned ones, halves of characters."""
    return not one.isprintable() and unicodedata.category(one) != "Zs"


def _json_escape(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
