"""The engines that ortbench brings along."""

from __future__ import annotations

from ortbench.engines.convolution_search import CUDNN_BENCHMARK, check_cudnn_benchmark
from ortbench.engines.entry import EngineEntry
from ortbench.engines.options import Option
from ortbench.engines.ort_options import OPTIONS as ORT_OPTIONS
from ortbench.engines.ort_options import check_options as check_ort_options
from ortbench.engines.ort_providers import OTHER_TARGETS, PLUGIN, TARGETS

_FREEZING = Option("freezing", "bool", default=True, help="fold and pack the weights when compiling")
_CHANNELS_LAST = Option("channels_last", "bool", default=False, help="NHWC memory layout for weights and images")

_FLOATING = ("fp32", "tf32", "bf16", "fp16")
_WITH_INT8 = (*_FLOATING, "int8")
_ONNX_RUNTIME = ("fp32", "tf32", "fp16", "int8")
_OPENVINO = ("fp32", "bf16", "fp16", "int8")


def _precision(lanes: tuple[str, ...]) -> Option:
    return Option("precision", "choice", default=None, help="compute in this lane, whatever the cell's", choices=lanes)


ENTRIES = (
    EngineEntry(
        name="torch",
        about="eager PyTorch in inference mode",
        targets=("cpu", "cuda"),
        module="ortbench.engines.pytorch",
        class_name="TorchEngine",
        libraries=("torch",),
        options=(_CHANNELS_LAST, CUDNN_BENCHMARK, _precision(_WITH_INT8)),
        check=check_cudnn_benchmark,
        precisions=_WITH_INT8,
        builds_in=("int8",),
    ),
    EngineEntry(
        name="torchscript",
        about="TorchScript: traced, frozen, optimized for inference (legacy: deprecated by PyTorch)",
        targets=("cpu", "cuda"),
        module="ortbench.engines.torchscript",
        class_name="TorchScriptEngine",
        libraries=("torch",),
        options=(_CHANNELS_LAST, CUDNN_BENCHMARK, _precision(_WITH_INT8)),
        check=check_cudnn_benchmark,
        precisions=_WITH_INT8,
        builds_in=("int8",),
    ),
    EngineEntry(
        name="compile",
        about="torch.compile with Inductor and frozen weights, compiled for each batch size",
        targets=("cpu", "cuda"),
        module="ortbench.engines.compiled",
        class_name="CompiledEngine",
        libraries=("torch",),
        options=(
            _precision(_FLOATING),
            _CHANNELS_LAST,
            CUDNN_BENCHMARK,
            _FREEZING,
            Option(
                "mode",
                "choice",
                default="default",
                help="what Inductor optimises for",
                choices=("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
            ),
            Option(
                "dynamic", "bool", default=False, help="one compilation for every batch size instead of one for each"
            ),
        ),
        check=check_cudnn_benchmark,
        precisions=_FLOATING,
    ),
    EngineEntry(
        name="aoti",
        about="AOTInductor: exported and compiled once for every batch size, into a package that is kept",
        targets=("cpu", "cuda"),
        module="ortbench.engines.aoti",
        class_name="AotiEngine",
        libraries=("torch",),
        options=(_CHANNELS_LAST, _FREEZING, _precision(_FLOATING)),
        builds=True,
        precisions=_FLOATING,
    ),
    EngineEntry(
        name="openvino",
        about="OpenVINO itself, on the exported ONNX model, in the precision asked for",
        targets=("cpu", "gpu"),
        module="ortbench.engines.openvino_native",
        class_name="OpenVinoEngine",
        libraries=("openvino",),
        options=(
            _precision(_OPENVINO),
            Option("streams", "int", default=1, help="requests that run at once; a batch is divided among them"),
            Option(
                "dynamic", "bool", default=False, help="one compilation for every batch size instead of one for each"
            ),
        ),
        needs_artifact=True,
        runs_onnx_files=True,
        precisions=_OPENVINO,
        own_artifacts=("int8",),
    ),
    EngineEntry(
        name="ort",
        about="ONNX Runtime, one target per execution provider",
        targets=TARGETS,
        other_targets=OTHER_TARGETS,
        named_targets=(PLUGIN,),
        check=check_ort_options,
        examines=True,
        module="ortbench.engines.ort",
        class_name="OrtEngine",
        variants={"sessions": ("ortbench.engines.ort_sessions", "OrtSessionsEngine")},
        libraries=("onnxruntime",),
        options=(*ORT_OPTIONS, _precision(_ONNX_RUNTIME)),
        needs_artifact=True,
        runs_onnx_files=True,
        precisions=_ONNX_RUNTIME,
        own_artifacts=("fp16", "int8"),
    ),
    EngineEntry(
        name="null",
        about="does nothing: what the harness itself costs (a fake)",
        targets=("cpu",),
        module="ortbench.engines.null",
        class_name="NullEngine",
        runs_onnx_files=True,
        computes=False,
        fake=True,
        precisions=_WITH_INT8,
    ),
    EngineEntry(
        name="scripted",
        about="plays a part on request: a latency, a crash, a hang, rubbish, a wrong output, unfairness (a fake)",
        targets=("cpu",),
        module="ortbench.engines.scripted",
        class_name="ScriptedEngine",
        libraries=("onnxruntime",),
        options=(
            Option("latency", "duration", default=0.001, help="how long each call takes"),
            Option("load", "duration", default=None, help="how long loading takes"),
            Option("crash_at", "int", default=None, help="die by a segmentation fault in this call, from 1"),
            Option("raise_at", "int", default=None, help="raise a Python error in this call, from 1"),
            Option("abort_at", "int", default=None, help="abort in this call, from 1"),
            Option("exhaust_at", "int", default=None, help="run out of memory in this call, from 1"),
            Option("kill_at", "int", default=None, help="be killed in this call, from 1, as when memory runs out"),
            Option("rubbish_at", "int", default=None, help="write rubbish to the harness in this call, from 1"),
            Option("hang_at", "int", default=None, help="never return from this call, from 1"),
            Option("when_ready", "bool", default=False, help="count calls only from when the engine is made ready"),
            Option("wrong_output", "bool", default=False, help="give outputs that disagree with the reference"),
            Option("wrong_at", "text", default=None, help="compute one more at this tensor of the ONNX graph"),
            Option("fallback", "bool", default=False, help="report that another provider ran the model"),
            Option("ignore_threads", "bool", default=False, help="keep more threads busy than were asked for"),
            Option("report_threads", "int", default=None, help="report so many threads, whatever was asked for"),
            Option("gradients", "bool", default=False, help="report that calls record gradients"),
            Option("other_artifact", "bool", default=False, help="load a file that differs from the one given"),
        ),
        needs_artifact=True,
        runs_onnx_files=True,
        fake=True,
    ),
)
