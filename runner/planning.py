"""Which cells a study has, which arms run in them, and which cells share a launch. Pure functions of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import EngineSpecError, ModelError, UsageError, expected_one_of
from ortbench.models.inputs import indivisible
from ortbench.models.shapes import SettledShapes
from ortbench.models.spec import ModelSource
from ortbench.results.schema import ArmKey, CellKey, PlannedCell
from ortbench.results.verdicts import DEFAULT_MARGIN
from ortbench.runner.allocators import DEFAULT
from ortbench.runner.input_words import input_lines
from ortbench.runner.layouts import Counts, layouts, modes_for
from ortbench.runner.load import OFFLINE, Load, describe_load, run_seconds
from ortbench.units import format_seconds

FULL_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
DEFAULT_BATCH_SIZES = (1, 4, 16)
REFERENCES = ("fp32", "float64")
_BOTH_MODES = "split (instances divide a batch) and stream (each runs its own)"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a study is told, resolved; stands in run.json.

    Attributes:
        target: wanted half-width of a speedup's interval, as a fraction.
        margin: how far from 1 a speedup is still taken for none, as a fraction.
        precision: the lanes, separated by commas.
        max_time_s: for measuring, launches included, the export not.
        seed: of weights, inputs and orders.
        twins: the cells in which the baseline also runs against itself.
        instances: processes of one arm that share its work; a threads x instances that exceeds the CPUs is left out.
        cpus: how many this process may use; 0 where that was never asked, and limits nothing.
        allocators: what every engine runs with in turn; see `runner/allocators.py`.
        allow_fallback: an engine may run any share of the model on another provider than it names.
        reference: `fp32` or `float64`, what the expected outputs are computed in.
        images: the folder or file of images that `inputs` was made of; None where it was not.
        files_sha256: the contents of the files given with --weights and --inputs, by option.
        load: by what LoadGen makes requests arrive (`poisson`, …); None where calls follow each other.
        rate: arrivals a second; None where each query waits for the last.
        max_latency_s: LoadGen's bound on the 99th percentile under arrivals.
        load_run_s: how long a run of LoadGen lasts.
        batch_axis: of `--batch-axis`; None where the batch was found without.
        values: of `--values`, by input; None where nothing was said.
    """

    engines: tuple[str, ...]
    baseline: str
    model: str
    weights: str
    precision: str = "fp32"
    batch_sizes: tuple[int, ...]
    threads: tuple[int, ...]
    target: float
    max_time_s: float
    seed: int
    twins: Literal["smallest", "all"] = "smallest"
    input_shapes: dict[str, tuple[int, ...]] = {}
    inputs: str | None = None
    instances: tuple[int, ...] = (1,)
    cpus: int = 0
    allocators: tuple[str, ...] = (DEFAULT,)
    allow_fallback: bool = False
    reference: str = "fp32"
    images: str | None = None
    files_sha256: dict[str, str] = {}
    load: str | None = None
    rate: float | None = None
    max_latency_s: float | None = None
    load_run_s: float | None = None
    batch_axis: str | None = None
    values: dict[str, str] | None = None
    margin: float = DEFAULT_MARGIN


@dataclass(frozen=True)
class StudyPlan:
    """A study before anything has run.

    Attributes:
        source: the model with every input shape known.
        reference: the engine whose outputs the others must agree with.
        shapes: how the inputs' shapes were settled; None where that was done elsewhere.
        groups: cells that share a launch: equal in everything but the batch size, so of one lane.
    """

    settings: Settings
    source: ModelSource
    engines: tuple[ResolvedEngine, ...]
    reference: str
    cells: tuple[PlannedCell, ...]
    shapes: SettledShapes | None = None

    @property
    def groups(self) -> list[list[PlannedCell]]:
        """The cells by launch, each in ascending batch size."""
        together: dict[tuple[object, ...], list[PlannedCell]] = {}
        for cell in self.cells:
            together.setdefault(cell.key.launch, []).append(cell)
        return list(together.values())

    @property
    def load(self) -> Load | None:
        """By what requests arrive; None where calls follow each other."""
        return load_of(self.settings)

    @property
    def artifact_precisions(self) -> tuple[str, ...]:
        """The precisions of the ONNX files that the engines want, in the lanes' order."""
        wanted = [
            engine.entry.artifact_precision(engine.lane(lane))
            for lane in lanes_of(self.settings)
            for engine in self.engines
        ]
        return tuple(dict.fromkeys(precision for precision in wanted if precision))

    @property
    def exports(self) -> tuple[str, ...]:
        """Those of them that must be exported or converted before anything can run."""
        own = ("fp32", *self.source.facts.lanes) if self.source.path is not None else ()
        return tuple(precision for precision in self.artifact_precisions if precision not in own)

    @property
    def needs_reference(self) -> bool:
        """Whether any engine computes something that can be compared."""
        return any(engine.entry.computes for engine in self.engines)

    @property
    def reference_name(self) -> str:
        """What the expected outputs are of, for the record."""
        return f"{self.reference} in float64" if self.settings.reference == "float64" else self.reference

    def engine(self, label: str) -> ResolvedEngine:
        """Return the engine of that spelling."""
        return next(engine for engine in self.engines if engine.label == label)


def make_plan(
    settings: Settings, source: ModelSource, engines: Sequence[ResolvedEngine], shapes: SettledShapes | None = None
) -> StudyPlan:
    """Lay out the study.

    Raises:
        UsageError: the baseline is not among the engines, or an engine cannot run this kind of model.
    """
    labels = [engine.label for engine in engines]
    if settings.baseline not in labels:
        raise EngineSpecError(expected_one_of("--baseline", labels, settings.baseline))
    if source.path is not None:
        _refuse_torch_engines(source.path, engines)
    if settings.reference not in REFERENCES:
        raise UsageError(expected_one_of("--reference", REFERENCES, settings.reference))
    if settings.reference == "float64" and source.path is not None:
        raise UsageError(
            "--reference float64 needs a catalog model, which is computed in double precision by PyTorch; "
            f"'{source.path}' fixes the types of its own tensors. Leave the option out."
        )
    arms, load = tuple(ArmKey(label) for label in labels), load_of(settings)
    twin = ArmKey(settings.baseline, twin=True)
    cells = tuple(
        PlannedCell(
            key=CellKey(
                model=source.name,
                precision=lane,
                batch_size=batch_size,
                threads=threads,
                instances=instances,
                mode=mode,
                allocator=allocator,
                load=load.label if load else "",
            ),
            arms=(*arms, twin) if _has_twin(settings, batch_size, instances) else arms,
        )
        for lane in lanes_of(settings)
        for threads, instances in layouts(Counts(settings.threads, settings.instances), settings.cpus)
        for allocator in settings.allocators
        for batch_size in settings.batch_sizes
        for mode in modes_for(source, batch_size, instances)
    )
    if load and settings.load_run_s is None:
        running = sum(len(cell.arms) for cell in cells)
        settings = msgspec.structs.replace(settings, load_run_s=run_seconds(settings.max_time_s, running, load.rate))
    reference = "torch" if source.path is None else "ort[graph_optimization_level=disable]"
    return StudyPlan(settings, source, tuple(engines), reference, cells, shapes)


def _has_twin(settings: Settings, batch_size: int, instances: int) -> bool:
    if settings.twins == "all":
        return True
    return batch_size == min(settings.batch_sizes) and instances == min(settings.instances)


def load_of(settings: Settings) -> Load | None:
    """Return by what the settings make requests arrive; None where calls follow each other."""
    if settings.load is None:
        return None
    plain = Load(settings.load, settings.rate)
    return replace(
        plain,
        max_latency_s=settings.max_latency_s or plain.max_latency_s,
        run_s=settings.load_run_s or plain.run_s,
        seed=settings.seed,
    )


def lanes_of(settings: Settings) -> tuple[str, ...]:
    """Return the lanes that the settings name."""
    return tuple(settings.precision.split(","))


def choose_batch_sizes(  # noqa: PLR0913 - what may decide, each given by name
    given: Sequence[int] | None,
    fixed: int | None,
    *,
    full: bool,
    usual: Sequence[int] = DEFAULT_BATCH_SIZES,
    told: int | None = None,
    first_axis: int | None = None,
) -> tuple[int, ...]:
    """Return the batch sizes to measure.

    Args:
        given: of `--batch-sizes`, or None.
        fixed: how many items a call has where an .onnx file leaves no batch open, or None.
        full: `--full` was given.
        usual: what is measured where nothing is said.
        told: what `--input-shape` gives for the batch, or None; measured beside those of `--batch-sizes`.
        first_axis: what the file fixes every input's first axis at, or None; perhaps the batch, perhaps not.

    Raises:
        ModelError: the file fixes another one than was asked for.
        UsageError: both options were given.
    """
    if full and given:
        raise UsageError("Expected either --full or --batch-sizes, but got both; --full means 1 to 256.")
    if fixed is None:
        sizes = given or (FULL_BATCH_SIZES if full else usual if told is None else (told,))
        # A number that was typed is used, wherever it was typed.
        return tuple(sizes) if told is None or told in sizes else tuple(sorted({*sizes, told}))
    if given and list(given) != [fixed]:
        listed = ",".join(map(str, given))
        if fixed == 1 and first_axis in (1, None):
            raise ModelError(
                f"The model leaves no batch open, so that a call is one item, but --batch-sizes asks for {listed}. "
                "Leave the option out, or say with --batch-axis which dimension is the batch."
            )
        raise ModelError(
            f"The model's batch size is fixed at {max(fixed, first_axis or 1)}, but --batch-sizes asks for {listed}. "
            f"Leave the option out, or export the model with a dynamic batch dimension."
        )
    return (fixed,)


def describe_plan(plan: StudyPlan, *, export_needed: bool) -> list[str]:
    """Say in a few lines what will be measured and how long that will take."""
    settings = plan.settings
    batches = ", ".join(map(str, settings.batch_sizes))
    threads = ", ".join(map(str, settings.threads))
    cells, arms = len(plan.cells), len(plan.engines)
    more = _axis("instances", [str(count) for count in settings.instances], "1")
    more += _axis("precision", lanes_of(settings), "fp32") + _axis("allocator", settings.allocators, DEFAULT)
    twins = "every cell" if settings.twins == "all" else f"batch size {min(settings.batch_sizes)}"
    lines = [
        f"model    {settings.model} ({_weights(plan.source)}, {settings.precision}, seed {settings.seed})",
        f"engines  {', '.join(settings.engines)}; baseline {settings.baseline}",
        f"cells    {cells}: batch size {batches} x threads {threads}{more}, {arms} arms each",
        *_input_lines(plan),
        f"twin     {settings.baseline} also runs against itself at {twins}",
        f"time     up to {format_seconds(settings.max_time_s)} of measuring, less once every speedup is known within "
        f"±{settings.target * 100:g} %{_tails(plan.load)}"
        + ("; before it the export, about 20 s" if export_needed else ""),
    ]
    if plan.load is not None:
        lines.insert(3, f"load     {describe_load(plan.load)}")
    if settings.reference != "fp32":
        lines.append(f"parity   against the model in {settings.reference}")
    if settings.images:
        lines.append(f"inputs   images of {settings.images}, through the model's own preprocessing")
    if any(cell.key.instances > 1 for cell in plan.cells):
        reason = indivisible(plan.source)
        split = f"stream only, as a batch cannot be divided: {reason}" if reason else _BOTH_MODES
        lines.append(f"modes    {split}; threads x instances up to {settings.cpus} CPUs")
    fakes = [engine.label for engine in plan.engines if engine.entry.fake]
    if fakes:
        lines.append(f"note     {', '.join(fakes)}: a fake, its figures are no engine's")
    return lines


def _input_lines(plan: StudyPlan) -> list[str]:
    """Say what goes into a call, but for a catalog model as it is: `ortbench models` says what that takes."""
    settings = plan.settings
    usual = plan.source.path is None and not (settings.input_shapes or settings.values or settings.inputs)
    return [] if plan.shapes is None or usual else input_lines(plan.source, plan.shapes, settings.batch_sizes)


def _tails(load: Load | None) -> str:
    return "" if load is None or load.name == OFFLINE else " and every tail by 1000 queries"


def _axis(name: str, values: Sequence[str], plain: str) -> str:
    return "" if tuple(values) == (plain,) else f" x {name} {', '.join(values)}"


def _weights(source: ModelSource) -> str:
    if source.path is not None:
        return source.path + (f", {source.facts.made} as made" if source.facts.made else "")
    return f"{source.weights} weights" if source.weights in ("random", "pretrained") else source.weights


def _refuse_torch_engines(path: str, engines: Sequence[ResolvedEngine]) -> None:
    for engine in engines:
        if not engine.entry.runs_onnx_files:
            raise EngineSpecError(
                f"The engine '{engine.label}' runs PyTorch models and cannot run '{path}'; "
                "give --engines ort for an .onnx file."
            )
