"""Writes the page commands.md while MkDocs builds the site, from the program's own help, so that it cannot be behind.

MkDocs calls `on_files`; everything else is a function of the command line's definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from ortbench.cli import app

PAGE = "commands.md"
_INTRODUCTION = """\
# Commands

Usage, options and defaults on this page are taken from the program when the site is built. `ortbench COMMAND --help`
prints the same, and `-h` is short for `--help`. What exit statuses mean stands in
[Files and JSON documents](files.md#exit-status), how engines are spelled in [Start here](index.md#engines).
"""
_DEFAULT = re.compile(r"\s*\[(?:default: (?P<default>[^\]]*)|required)\]$")
_SPECIAL = re.compile(r"([\[\]<>*_|])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to those of the folder."""
    files.append(File.generated(config, PAGE, content=command_reference()))
    return files


def command_reference() -> str:
    """Return the page as Markdown: the program's own options, then one section a command."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("ortbench", [], resilient_parsing=True)
    lines = [_INTRODUCTION, "## ortbench", "", escaped(group.help), "", *option_table(group, context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        lines += command_section(command, command.make_context(name, [], parent=context, resilient_parsing=True))
    return "\n".join(lines) + "\n"


def command_section(command: Any, context: Any) -> list[str]:
    """Return a command's usage, help, options and example."""
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = ["", f"## {command.name}", "", "```", usage, "```", "", escaped(command.help or ""), ""]
    lines += option_table(command, context)
    if command.epilog:
        label, _, example = command.epilog.partition(": ")
        lines += ["", f"{label}:", "", "```", example, "```"]
    return lines


def option_table(command: Any, context: Any) -> list[str]:
    """Return a table of arguments and options, in the order of the help."""
    rows = list(option_rows(command, context))
    if not rows:
        return ["It has no options."]
    return ["| option | default | meaning |", "|---|---|---|", *rows]


def option_rows(command: Any, context: Any) -> Iterator[str]:
    """Yield one row of the table for each argument and option that the help shows."""
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        name, text = record
        ending = _DEFAULT.search(text)
        default = ending["default"] if ending else "off" if getattr(parameter, "is_flag", False) else None
        if ending and default is None:
            default = "required"
        meaning = text[: ending.start()] if ending else text
        yield f"| `{name}` | {escaped(default or '')} | {escaped(meaning)} |"


def escaped(text: str) -> str:
    """Return plain text as Markdown that reads the same, what is between backquotes left alone."""
    one_line = " ".join(text.split())
    pieces = one_line.split("`")
    return "`".join(piece if index % 2 else _SPECIAL.sub(r"\\\1", piece) for index, piece in enumerate(pieces))
