"""The parent's side of the roofline: which roofs a study needs, and having them measured when nothing else runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from ortbench.engines.ort_providers import PROVIDERS
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import OrtbenchError
from ortbench.results.roofline import FAKE, MEASURED_ARITHMETIC, Peaks, Roofline
from ortbench.results.schema import Run
from ortbench.runner import job_messages
from ortbench.runner.disturbance import Watch, spoiled_reason
from ortbench.runner.memory import available_mib
from ortbench.runner.planning import StudyPlan, lanes_of
from ortbench.runner.study import Study
from ortbench.runner.sysfs import last_caches_bytes
from ortbench.runner.team import Team
from ortbench.runner.topology import places_for

# Of --max-time, which they are not part of: so long they may take, and about so long a layout takes.
_SHARE_OF_TIME = 0.1
_LAYOUT_S = 3.0
_TIMEOUT_S = 120.0
_MIB = 1 << 20
# STREAM's rule is four times the last caches together; beyond this the first touch of the pages would take seconds.
_SMALLEST_ARRAY, _LARGEST_ARRAY = 64 * _MIB, 2048 * _MIB
_CACHES = 4
_ARRAYS = 3
_SHARE_OF_MEMORY = 0.25
# Of ONNX Runtime's providers those that compute on the processor and say so by their name.
_ON_CPU = ("cpu", "dnnl", "xnnpack")

Layout = tuple[int, int]


def find_roofs(study: Study) -> Run:
    """Count the model's work and measure the roofs that are not known yet; return run.json's content with them.

    Nothing is done where no engine has a roof here, and only what a tenth of --max-time allows.

    Raises:
        RecordError: the results folder can no longer be written.
    """
    plan, known = study.plan, study.run.roofline or Roofline()
    without = without_roof(plan.engines)
    rising = [engine for engine in plan.engines if not engine.entry.fake]
    if not rising or study.reference is None or all(engine.label in without for engine in rising):
        return study.run
    wanted = [layout for layout in layouts_of(plan) if known.of_layout(*layout) is None]
    chosen = affordable(wanted, plan.settings.max_time_s)
    known = msgspec.structs.replace(known, without_roof=without, left_out=_left_out(wanted, chosen), reason=None)
    if chosen:
        with study.record.spending("roofs"):
            known = _measured(study, known, chosen)
    study.keep_roofline(known)
    return study.run


def without_roof(engines: Iterable[ResolvedEngine]) -> dict[str, str]:
    """Return the engines that do not compute on the processor, or not at all, with the reason."""
    reasons = {engine.label: _reason(engine) for engine in engines}
    return {label: reason for label, reason in reasons.items() if reason}


def _reason(engine: ResolvedEngine) -> str | None:
    if engine.entry.fake:
        return FAKE
    lane = engine.lane(MEASURED_ARITHMETIC)
    if lane != MEASURED_ARITHMETIC:
        return f"it computes in {lane}, for whose arithmetic no roof is measured"
    if engine.target in _ON_CPU or (engine.target == "openvino" and _openvino_device(engine).startswith("CPU")):
        return None
    return f"it runs on {engine.target}, whose roof is not measured"


def _openvino_device(engine: ResolvedEngine) -> str:
    return str(engine.options.get("provider.device_type", PROVIDERS["openvino"].always["device_type"]))


def layouts_of(plan: StudyPlan) -> list[Layout]:
    """Return the threads and instances of a study, the most CPUs first: that is what charts show where not all fit."""
    found = dict.fromkeys((cell.key.threads, cell.key.instances) for cell in plan.cells)
    return sorted(found, key=lambda layout: (-layout[0] * layout[1], layout[1]))


def affordable(layouts: Sequence[Layout], max_time_s: float) -> list[Layout]:
    """Return as many of the layouts as may be measured in a study of that length."""
    return list(layouts[: math.floor(max_time_s / (_LAYOUT_S / _SHARE_OF_TIME))])


def _left_out(wanted: Sequence[Layout], chosen: Sequence[Layout]) -> str | None:
    left = [f"{instances} x {threads}" for threads, instances in wanted[len(chosen) :]]
    if not left:
        return None
    return (
        f"no roofs were measured for instances x threads of {', '.join(left)}: at {_LAYOUT_S:.0f} s each, "
        f"they may take {_SHARE_OF_TIME:.0%} of --max-time"
    )


def _measured(study: Study, known: Roofline, layouts: Sequence[Layout]) -> Roofline:
    """Return what is known with the work and these layouts; an engine's trouble here costs no result."""
    assert study.reference is not None
    try:
        counted = study.reference.count_work(lanes_of(study.plan.settings))
        if counted.reason:
            return msgspec.structs.replace(known, reason=counted.reason)
        known = msgspec.structs.replace(known, work=counted.work)
        for threads, instances in layouts:
            study.observer.say(f"roofs: measuring what {_worded(threads, instances)} can reach at most")
            known = msgspec.structs.replace(known, peaks=(*known.peaks, measure_layout(threads, instances)))
    except OrtbenchError as error:
        return msgspec.structs.replace(known, reason=f"the roofs could not be measured: {error}")
    return known


def _worded(threads: int, instances: int) -> str:
    several = f"{instances} instances of " if instances > 1 else ""
    return f"{several}{threads} thread{'s' if threads > 1 else ''}"


def measure_layout(threads: int, instances: int) -> Peaks:
    """Measure the roofs of so many instances, each on CPUs of its own, all at the same time.

    Once more where something disturbed it; what is known of the disturbance stays with them where it did again.

    Raises:
        OrtbenchError: a process could not be started, or died.
    """
    places = places_for([threads] * instances)
    cpus = sorted({cpu for place in places for cpu in place.cpus})
    share = available_mib() * _MIB * _SHARE_OF_MEMORY / _ARRAYS
    array_bytes = min(max(_CACHES * last_caches_bytes(cpus), _SMALLEST_ARRAY), _LARGEST_ARRAY, int(share)) // instances
    with Team("the roofs", places) as team:
        first = _watched(team, threads, array_bytes, Watch(cpus))
        return first if first.disturbed is None else better(first, _watched(team, threads, array_bytes, Watch(cpus)))


def _watched(team: Team, threads: int, array_bytes: int, watch: Watch) -> Peaks:
    watch.begin()
    measured = team.ask_peaks(array_bytes, _TIMEOUT_S)
    seen = watch.end(sum(each.cpu_s for each in measured), sum(each.major_faults for each in measured))
    reason = spoiled_reason(seen, len(watch.cpus), watch.tick_s)
    return msgspec.structs.replace(together(threads, measured), disturbed=reason)


def better(first: Peaks, second: Peaks) -> Peaks:
    """Return the second of two measurements where nothing disturbed it, or else the best of both."""
    if second.disturbed is None:
        return second
    product = max(first, second, key=lambda peaks: peaks.gflop_per_s)
    stream = max(first, second, key=lambda peaks: peaks.gbyte_per_s)
    return msgspec.structs.replace(product, gbyte_per_s=stream.gbyte_per_s, stream=stream.stream)


def together(threads: int, measured: Sequence[job_messages.PeaksMeasured]) -> Peaks:
    """Return the roofs of a layout from what each of its instances reached at the same time.

    The work of one repetition is done when the slowest instance has done its part. Each way is judged for itself, by
    its best repetition, and the best one counts.
    """
    product, gflop_per_s = _best_repetition([each.gflop_per_s for each in measured])
    stream, gbyte_per_s = _best_repetition([each.gbyte_per_s for each in measured])
    return Peaks(
        threads=threads,
        instances=len(measured),
        gflop_per_s=gflop_per_s,
        gbyte_per_s=gbyte_per_s,
        product=product,
        stream=stream,
    )


def _best_repetition(measured: Sequence[dict[str, tuple[float, ...]]]) -> tuple[str, float]:
    common = [name for name in measured[0] if all(name in each for each in measured)]
    best = {name: max(map(min, zip(*(each[name] for each in measured), strict=True))) for name in common}
    name, slowest = max(best.items(), key=lambda pair: pair[1])
    # All have the same work, so that the slowest's rate is that of each of them until it is done.
    return name, len(measured) * slowest
