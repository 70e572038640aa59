"""The command line: its commands in the order of `--help`, and how an error becomes one message."""

from __future__ import annotations

import os
import traceback
from typing import Annotated

import typer

import ortbench
from ortbench.commands import gates, looking, machine, measuring, planning, runs, tuning
from ortbench.commands.answering import DONE, INCOMPLETE
from ortbench.errors import INTERNAL, OrtbenchError
from ortbench.faults import fault_sentences
from ortbench.streams import answer_lines, guarded_streams, say, undelivered
from ortbench.surroundings import surroundings_error

app = typer.Typer(
    name="ortbench",
    help="Should this model run on ONNX Runtime, and how much faster is that than PyTorch, really?",
    no_args_is_help=True,
    # Plain help starts in half the time: rich is imported only where it draws something.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit status. Errors become one message, without a traceback."""
    # --debug may stand anywhere; it belongs to the program, not to a command.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    with guarded_streams() as (output, _):
        status = _run(arguments, debug=debug)
        if lost := undelivered(output):
            say(f"Error: the answer could not be printed: {lost}.")
            status = status or INCOMPLETE
    return status


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        app(args=arguments, prog_name="ortbench")
    except SystemExit as stop:
        fault = _fault_behind(stop)
        if fault is None:
            return stop.code if isinstance(stop.code, int) else DONE
        return _tell(fault, debug=debug)
    except Exception as error:  # noqa: BLE001 - the last resort: still one message
        return _tell(error, debug=debug)
    return DONE


def _tell(error: BaseException, *, debug: bool) -> int:
    """Say what went wrong in one line, and return the exit status that goes with it."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, OSError):
        error = surroundings_error(error) or error
    if isinstance(error, OrtbenchError):
        first, *more = map(str, error.args or ("",))
        for line in (f"Error: {first}", *more):
            say(line)
        return error.exit_code
    say(f"Error: {fault_sentences(error)}")
    return INTERNAL


def _fault_behind(stop: SystemExit) -> BaseException | None:
    """Return the fault that ended the program as if it were done; None where typer ended it in order.

    Typer ends without a word where a pipe breaks, or where a file that is no input ends too early. Any library may
    end the program, too.
    """
    cause = stop.__context__
    if isinstance(cause, typer.Abort):
        return cause.__cause__ if isinstance(cause.__cause__, EOFError) else None
    in_order = hasattr(cause, "exit_code") or _COMPLETION in os.environ
    return None if in_order else cause or stop


# Set by a shell that asks for completions: typer answers and ends at once.
_COMPLETION = "_ORTBENCH_COMPLETE"


def _version(wanted: bool) -> None:
    if wanted:
        answer_lines([f"ortbench {ortbench.__version__}"])
        raise typer.Exit(DONE)


@app.callback()
def _global(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take what belongs to no command."""


# In the order of --help, each with an example.
_COMMANDS = (
    (measuring.export, "ortbench export --model resnet50 --opset 20 --output exported/resnet50"),
    (measuring.compare, "ortbench compare --engines torch,ort --batch-sizes 1,16 --max-time 10m"),
    (looking.show, "ortbench show ortbench-results/resnet50-20260131-120000"),
    (looking.charts, "ortbench charts measurements.csv --output charts"),
    (looking.report, "ortbench report ortbench-results/resnet50-20260131-120000"),
    (gates.check, "ortbench check ortbench-results/resnet50-20260131-120000 --require 'ort/torch >= 1.2'"),
    (runs.diff, "ortbench diff ortbench-results/before ortbench-results/after"),
    (runs.history, "ortbench history ortbench-results --batch-size 1 --output history"),
    (planning.plan, "ortbench plan ortbench-results/resnet50-20260131-120000 --threads 16 --batch-size 64"),
    (tuning.tune, "ortbench tune --engines torch,ort --allocators default,tcmalloc --max-latency 100ms"),
    (machine.engines, "ortbench engines"),
    (machine.models, "ortbench models"),
    (machine.doctor, "ortbench doctor --max-time 2m"),
    (machine.cache, "ortbench cache --clear"),
)
for _command, _example in _COMMANDS:
    app.command(epilog=f"Example: {_example}")(_command)
