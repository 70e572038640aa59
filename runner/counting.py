"""Inside a worker: what the model must do for one item, as the roofline model wants it."""

from __future__ import annotations

from ortbench.engines.graph_work import count_file
from ortbench.models.work import Tally, UncountableError, count_module
from ortbench.results.roofline import Work
from ortbench.runner import job_messages

_BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "int8": 1}
# What a file's own tensors are of, as a lane.
_LANES = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "int8": "int8",
    "uint8": "int8",
}
# A file's own types stand in this lane; in every other it was converted.
_OWN = "fp32"


def count_work(request: job_messages.CountWork) -> job_messages.WorkCounted:
    """Count a catalog model by its PyTorch module, an .onnx file by its graph."""
    source = request.source
    try:
        tally = count_module(source) if source.path is None else count_file(source)
        return job_messages.WorkCounted(work={lane: work_in(lane, tally) for lane in request.lanes})
    except UncountableError as error:
        return job_messages.WorkCounted(work={}, reason=f"the work of this model cannot be counted: {error}")


def work_in(lane: str, tally: Tally) -> Work:
    """Return the work in bytes of a lane.

    Raises:
        UncountableError: the tensors that are multiplied are of several types, or of none whose size is known.
    """
    own = {_LANES.get(name, name) for name in tally.dtypes}
    arithmetic = lane
    if lane == _OWN and own:
        if len(own) > 1 or not own <= _BYTES.keys():
            raise UncountableError(f"its products are of {' and '.join(sorted(tally.dtypes))}")
        [arithmetic] = own
    size = _BYTES[arithmetic]
    return Work(
        flops_per_item=tally.flops_per_item,
        weight_bytes=tally.weights * size,
        activation_bytes_per_item=tally.activations_per_item * size,
        arithmetic=arithmetic,
    )
