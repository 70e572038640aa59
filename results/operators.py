"""One vocabulary for all libraries' operators, so that their rows meet: `aten::conv2d` and `Conv` are one class."""

from __future__ import annotations

import re

# In the order in which a name is tried: `max_pool2d` is pooling before it is a maximum.
_CLASSES: dict[str, frozenset[str]] = {
    # What torch.compile itself does around the kernels.
    "framework": frozenset({"dynamo", "compiled", "dispatcher", "bytecode"}),
    "attention": frozenset({"attention", "sdpa"}),
    "convolution": frozenset({"conv", "convolution", "deconvolution", "convtranspose"}),
    "matrix product": frozenset(
        {"gemm", "matmul", "mm", "addmm", "bmm", "baddbmm", "linear", "connected", "einsum", "fc", "gru", "lstm", "rnn"}
    ),
    "normalisation": frozenset({"norm", "normalization", "lrn", "mvn", "rms"}),
    "pooling and reduction": frozenset({"pool", "reduce", "mean", "sum", "argmax", "argmin", "topk", "amax", "amin"}),
    "activation": frozenset(
        {"relu", "relu6", "leaky", "gelu", "quickgelu", "sigmoid", "tanh", "softmax", "logsoftmax", "softplus", "clamp"}
        | {"clip", "silu", "swish", "mish", "elu", "selu", "celu", "hardtanh", "hardswish", "hardsigmoid", "prelu"}
    ),
    "quantisation": frozenset({"quantize", "dequantize", "fake"}),
    "elementwise": frozenset(
        {"add", "sub", "subtract", "mul", "multiply", "div", "divide", "pow", "power", "sqrt", "rsqrt", "exp", "log"}
        | {"neg", "abs", "max", "maximum", "min", "minimum", "where", "equal", "less", "greater", "not", "eltwise"}
        | {"erf", "sin", "cos", "reciprocal", "and", "or", "round", "floor", "ceil", "bias", "subgraph", "math"}
    ),
    "layout and copy": frozenset(
        {"reorder", "reshape", "transpose", "permute", "flatten", "view", "copy", "contiguous", "dense", "empty"}
        | {"resize", "strided", "expand", "squeeze", "unsqueeze", "concat", "cat", "split", "slice", "gather", "pad"}
        | {"cast", "convert", "identity", "memcpy", "memset", "fill", "zero", "conj", "clone", "detach", "select"}
        | {"stack", "tile", "narrow", "t", "to", "alias", "index", "shuffle", "shape", "constant", "embedding"}
    ),
}
OTHER = "other"
CLASSES = (*_CLASSES, OTHER)

# What would come apart, or be taken for something else.
_COMPOUND = {"MatMul": "Matmul", "uantizeLinear": "uantize", "QLinear": "", "LSTM": "Lstm", "PRelu": "Prelu"}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
# Inductor names a kernel of its own after everything in its neighbourhood; the heavy operators run outside of it,
# unless it was made from a template.
_FUSED_KERNEL = re.compile(r"(cpp|triton_\w+?)_fused_")
_TEMPLATE = "triton_tem_"
_OUTSIDE_KERNEL = ("attention", "convolution", "matrix product")


# What an execution provider of ONNX Runtime compiled as one, whatever is in it.
_WHOLE_GRAPH = "-EP-subgraph"


def operator_class(name: str) -> str:
    """Return the class of an operator, one of CLASSES, by its name alone.

    Args:
        name: as its library gives it, e.g. `aten::mkldnn_convolution`, `Conv`, `cpp_fused_relu_0`. A fused operator
            is of the class that does most of its work.
    """
    if _WHOLE_GRAPH in name:
        return OTHER
    words = set(_words(name))
    fused = _FUSED_KERNEL.search(name) and _TEMPLATE not in name
    for known, members in _CLASSES.items():
        if words & members and not (fused and known in _OUTSIDE_KERNEL):
            return known
    return "elementwise" if fused else OTHER


def _words(name: str) -> list[str]:
    for compound, replacement in _COMPOUND.items():
        name = name.replace(compound, replacement)
    return [word.lower() for word in _WORD.findall(name.replace("aten::", ""))]
