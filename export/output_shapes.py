"""Which axes of a file's outputs are the batch, where the file does not name them: by ONNX's shape inference."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ortbench.models.dimensions import tells_nothing
from ortbench.models.spec import BATCH, UNKNOWN_RANK, ModelSource, TensorSpec

# No name that a model may have itself.
_MARK = "ortbench.batch"


def with_inferred_outputs(source: ModelSource) -> ModelSource:
    """Return the model with what shape inference says of outputs whose dimensions have no names.

    The inputs' shapes are those that run, and the batch is one name in all of them. What cannot be inferred stays.
    """
    if source.path is None or not any(_is_vague(spec) for spec in source.outputs):
        return source
    inferred = _inferred(Path(source.path), source)
    outputs = tuple(
        msgspec.structs.replace(spec, shape=inferred[spec.name]) if _is_vague(spec) and spec.name in inferred else spec
        for spec in source.outputs
    )
    return msgspec.structs.replace(source, outputs=outputs)


def _is_vague(spec: TensorSpec) -> bool:
    return any(isinstance(size, str) and (size == UNKNOWN_RANK or tells_nothing(size)) for size in spec.shape)


def _inferred(path: Path, source: ModelSource) -> dict[str, tuple[int | str, ...]]:
    import onnx
    from onnx import shape_inference

    model = onnx.load_model(str(path), load_external_data=False)
    shapes = {spec.name: spec.shape for spec in source.inputs}
    for value in (one for one in model.graph.input if one.name in shapes):
        tensor = value.type.tensor_type
        del tensor.shape.dim[:]
        for size in shapes[value.name]:
            dimension = tensor.shape.dim.add()
            if size == BATCH:
                dimension.dim_param = _MARK
            else:
                dimension.dim_value = int(size)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    # Shapes on the way were those of other inputs.
    del model.graph.value_info[:]
    try:
        model = shape_inference.infer_shapes(model, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError):
        return {}
    return {
        value.name: tuple(
            BATCH if one.dim_param == _MARK else one.dim_value if one.HasField("dim_value") else f"?{value.name}_{axis}"
            for axis, one in enumerate(value.type.tensor_type.shape.dim)
        )
        for value in model.graph.output
        if value.type.tensor_type.HasField("shape")
    }
