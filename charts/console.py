"""The console that tables are printed on: text that comes from data cannot do anything to the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ortbench.printable import cut, printable, printable_lines
from ortbench.streams import StyledStream, guarded

# A pipe has no width; wide enough that no row of a usual study is folded.
_PIPE_WIDTH = 180
# The longest text of one cell of a table; the files hold it whole.
_LONGEST_CELL = 600


class AnswerConsole(Console):
    """A console that spells out what cannot be seen, in strings and in texts alike.

    A line end in a string is data, and is spelled out too. One in a Text breaks the line, as in a heading of two lines.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a string's text, as rich does, with its markup."""
        return super().render_str(printable(text, _LONGEST_CELL), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of anything that can be printed, as rich does."""
        return super().render(_shown(renderable) if isinstance(renderable, Text) else renderable, options)


def answer_console(*, stderr: bool = False) -> Console:
    """Return a console that never folds a table because its output goes into a file."""
    stream: Any = StyledStream(guarded(stderr=stderr))
    # Names are not searched for `:smile:`, nor for what may be a number or a path.
    console = AnswerConsole(file=stream, highlight=False, emoji=False)
    if console.is_terminal:
        return console
    return AnswerConsole(file=stream, highlight=False, emoji=False, width=_PIPE_WIDTH)


def print_line(console: Console, line: str) -> None:
    """Print one sentence, which is not folded; a line end in it is spelled out."""
    console.print(Text(printable(line)), soft_wrap=True)


def _shown(text: Text) -> Text:
    plain = printable_lines(cut(text.plain))
    if plain == text.plain:
        return text
    shown = text.copy()
    shown.plain = plain
    return shown
