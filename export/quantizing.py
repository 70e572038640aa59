"""An fp32 ONNX file in fewer bits: static QDQ quantisation, and conversion to float16. For workers."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from ortbench.errors import ExportError
from ortbench.models.calibration import calibration_batches, calibration_identity
from ortbench.models.inputs import Arrays
from ortbench.models.precision import has_int8_products
from ortbench.models.processor import cpu_flags
from ortbench.models.spec import ModelSource


def quantization_identity(source: ModelSource) -> dict[str, str]:
    """Return what makes two quantised files of one fp32 file the same."""
    return {
        "format": "QDQ",
        "activations": "uint8",
        "weights": f"int8 per channel{', 7 bits' if _reduces_range() else ''}",
        "method": "MinMax",
        "calibration": calibration_identity(source),
    }


def quantize(source: ModelSource, base: Path, path: Path) -> None:
    """Write `base` quantised to `path`: per channel, activations calibrated by their smallest and largest values.

    Where the processor has no 8-bit products with wide sums, weights take 7 bits: the AVX2 and AVX-512 kernels add
    pairs of products in 16 bits, which saturate (ONNX Runtime's documentation, "Quantize ONNX models").

    Raises:
        ExportError: ONNX Runtime cannot quantise this model.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    prepared = path.with_name("prepared.onnx")
    try:
        with _quiet():
            _prepare(base, prepared)
            quantize_static(
                prepared,
                path,
                make_reader(calibration_batches(source)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=_reduces_range(),
                # QLinearConv and its kin: signed activations leave additions and their neighbours in floating point.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
    except Exception as error:  # whatever ONNX Runtime's tools raise, it is this model that they could not quantise
        raise ExportError(f"ONNX Runtime could not quantise '{source.name}' to int8: {_first_line(error)}") from error
    finally:
        prepared.unlink(missing_ok=True)


def convert_to_float16(source: ModelSource, base: Path, path: Path) -> None:
    """Write `base` to `path` with float16 weights and operators; inputs and outputs stay as they are.

    Raises:
        ExportError: ONNX Runtime's converter cannot convert this model.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    try:
        with _quiet():
            model = OnnxModel(convert_float_to_float16(onnx.load_model(str(base)), keep_io_types=True))
            # The converter puts its casts last.
            model.topological_sort()
            onnx.save_model(model.model, str(path))
    except Exception as error:  # likewise
        raise ExportError(f"'{source.name}' could not be converted to fp16: {_first_line(error)}") from error


def make_reader(batches: list[Arrays]) -> object:
    """Return the batches as ONNX Runtime's calibration takes them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """One batch at each asking, None after the last."""

        def __init__(self) -> None:
            self._batches: Iterator[Arrays] = iter(batches)

        def get_next(self) -> Arrays | None:
            return next(self._batches, None)

    return Reader()


def _prepare(base: Path, prepared: Path) -> None:
    """Fold and infer shapes; symbolic shapes are an extra that some models defeat."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(base), str(prepared))
    except Exception:  # noqa: BLE001 - sympy and onnxruntime raise anything; the second try tells what is wrong
        quant_pre_process(str(base), str(prepared), skip_symbolic_shape=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the tools say to people who call them by hand."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reduces_range() -> bool:
    return not has_int8_products(cpu_flags())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
