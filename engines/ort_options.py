"""The options of the engine `ort`: declared, checked against each other, and turned into what a session is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from ortbench.engines.base import CAN_PARK, LoadRequest, OptionValue
from ortbench.engines.options import Option
from ortbench.engines.ort_config_keys import CONFIG_KEYS
from ortbench.engines.ort_providers import PLUGIN, PROVIDERS, contradiction, provider_options
from ortbench.errors import EngineSpecError

OPTIMIZATION_LEVELS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
FORBID_FALLBACK = "session.disable_cpu_ep_fallback"
_SPINNING = ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning")
SESSIONS = "sessions"
_AFFINITIES = "session.intra_op_thread_affinities"
_PLUGIN_OPTIONS = ("library", "ep", "device")
_ANY_KEY = "config."


def _bare_keys() -> tuple[Option, ...]:
    """Declare every known config key's first word, so that a key may be written without `config.`."""
    areas = sorted({key.partition(".")[0] for key in CONFIG_KEYS})
    return tuple(
        Option(f"{area}.*", "text", default=None, help="the same without config.", known=_after(f"{area}."))
        for area in areas
    )


def _after(prefix: str) -> tuple[str, ...]:
    return tuple(key.removeprefix(prefix) for key in CONFIG_KEYS if key.startswith(prefix))


OPTIONS = (
    Option(
        "graph_optimization_level",
        "choice",
        default="all",
        help="which graph rewrites ONNX Runtime applies when it loads the model",
        choices=tuple(OPTIMIZATION_LEVELS),
    ),
    Option(
        "execution_mode",
        "choice",
        default="sequential",
        help="one node at a time, or branches of the graph at once",
        choices=("sequential", "parallel"),
    ),
    Option("inter_threads", "int", default=None, help="threads for branches in parallel mode; else as many as threads"),
    Option("sessions", "int", default=1, help="sessions in one process that divide a batch, and the threads"),
    Option("spinning", "bool", default=CAN_PARK, help="idle threads wait by spinning for a while before they sleep"),
    Option("arena", "bool", default=True, help="the CPU provider takes memory from an arena of its own"),
    Option("io_binding", "bool", default=True, help="inputs and outputs stay where they are; false times their copies"),
    Option("dim.*", "int", default=None, help="fix an open dimension of the model by its name, as in dim.sequence=128"),
    Option(
        "config.*", "text", default=None, help="a session config entry of ONNX Runtime by its key", known=CONFIG_KEYS
    ),
    *_bare_keys(),
    Option("provider.*", "text", default=None, help="an option of the execution provider by its name"),
    Option("library", "text", default=None, help="ort:plugin: the execution provider's library file", executes=True),
    Option("ep", "text", default=None, help="ort:plugin: which of the library's providers, if it has several"),
    Option("device", "int", default=0, help="ort:plugin: which of the provider's devices, counted from 0"),
)


@dataclass(frozen=True)
class SessionPlan:
    """What a session is told, as plain data.

    Attributes:
        config: session config entries.
        dimensions: free dimension -> size.
        provider_options: of the provider asked for.
        cpu_follows: what the provider does not take may run on the CPU provider; the record shows how much did.
    """

    optimization_level: str
    parallel: bool
    intra_threads: int
    inter_threads: int
    arena: bool
    config: dict[str, str]
    dimensions: dict[str, int]
    provider_options: dict[str, str]
    cpu_follows: bool


def check_options(target: str, options: Mapping[str, OptionValue], spelling: str) -> None:
    """Refuse options that contradict each other, the target, or a lane that is named among them.

    Raises:
        EngineSpecError: naming the option and what would be right.
    """
    if problem := _problem(target, options):
        raise EngineSpecError(f"'{spelling}' cannot be: {problem}.")


def plan_session(request: LoadRequest) -> SessionPlan:
    """Return what the session of this request is told; every thread count is explicit."""
    options, entries = request.options, config_entries(request.options)
    parallel = options.get("execution_mode") == "parallel"
    config = {RECORD_PLACEMENT: "1"}
    if not options.get("spinning", CAN_PARK) or request.target == "xnnpack":
        # XNNPACK has a thread pool of its own; ONNX Runtime's would spin beside it.
        config |= dict.fromkeys(_SPINNING, "0")
    return SessionPlan(
        optimization_level=OPTIMIZATION_LEVELS[str(options.get("graph_optimization_level", "all"))],
        parallel=parallel,
        intra_threads=request.threads,
        inter_threads=int(options.get("inter_threads", request.threads)) if parallel else 1,
        arena=bool(options.get("arena", True)),
        config=config | entries,
        dimensions={name: int(size) for name, size in _with_prefix(options, "dim.").items()},
        provider_options=_provider_options(request),
        cpu_follows=request.target != "cpu" and entries.get(FORBID_FALLBACK) != "1",
    )


def one_session(request: LoadRequest, threads: int | None = None) -> LoadRequest:
    """Return what one of several sessions is asked to load, with so many threads; as many as all by default."""
    options = {name: value for name, value in request.options.items() if name != SESSIONS}
    return msgspec.structs.replace(request, options=options, threads=request.threads if threads is None else threads)


def config_entries(options: Mapping[str, OptionValue]) -> dict[str, str]:
    """Return the session config entries among the options, with or without `config.` before them."""
    entries = {name.removeprefix(_ANY_KEY): str(value) for name, value in options.items()}
    return {key: value for key, value in entries.items() if key in CONFIG_KEYS}


def given_provider_options(options: Mapping[str, OptionValue]) -> dict[str, str]:
    """Return what was given as `provider.KEY=VALUE`."""
    return {name: str(value) for name, value in _with_prefix(options, "provider.").items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """Word what may have been meant by `name`; the whole list where nothing is near and the list is short."""
    listed = list(known)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5) or (listed if len(listed) <= 10 else [])
    return f"did you mean {' or '.join(close)}" if close else "nothing is spelled like it"


def _provider_options(request: LoadRequest) -> dict[str, str]:
    given = given_provider_options(request.options)
    if request.target == PLUGIN:
        return given
    provider = PROVIDERS[request.target]
    return provider_options(provider, request.precision, request.threads, request.cache, given)


def _problem(target: str, options: Mapping[str, OptionValue]) -> str | None:
    entries = config_entries(options)
    spelled = [name.removeprefix(_ANY_KEY) for name in options]
    if twice := next((key for key in entries if spelled.count(key) > 1), None):
        return f"{twice} is given twice"
    if "spinning" in options and set(entries) & set(_SPINNING):
        return f"spinning and {' and '.join(key for key in _SPINNING if key in entries)} say the same thing"
    if "inter_threads" in options and options.get("execution_mode") != "parallel":
        return "inter_threads goes with execution_mode=parallel"
    if options.get("inter_threads") == 0:
        return "inter_threads is at least 1"
    return _sessions_problem(target, options) or _plugin_problem(target, options) or _provider_problem(target, options)


def _sessions_problem(target: str, options: Mapping[str, OptionValue]) -> str | None:
    if SESSIONS not in options:
        return None
    if options[SESSIONS] == 0:
        return "sessions is at least 1"
    if target != "cpu":
        return "sessions divide CPUs, so that they go with ort, the CPU provider"
    if _AFFINITIES in config_entries(options):
        return f"sessions keep their threads to CPUs of their own, and so does {_AFFINITIES}"
    return None


def _plugin_problem(target: str, options: Mapping[str, OptionValue]) -> str | None:
    if target == PLUGIN:
        return None if "library" in options else "ort:plugin needs library=FILE, the execution provider's library"
    given = [name for name in _PLUGIN_OPTIONS if name in options]
    return f"{given[0]} goes with ort:plugin" if given else None


def _provider_problem(target: str, options: Mapping[str, OptionValue]) -> str | None:
    if target == PLUGIN:
        return None
    provider, given = PROVIDERS[target], given_provider_options(options)
    for name in given:
        if not provider.options:
            return f"ortbench knows no options of {provider.name}, but got provider.{name}"
        if name not in provider.options:
            return f"{provider.name} has no option {name}; {nearest(name, provider.options)}"
    return contradiction(provider, str(options.get("precision", "fp32")), given)


def _with_prefix(options: Mapping[str, OptionValue], prefix: str) -> dict[str, OptionValue]:
    return {name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix)}
