from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.operators import CLASSES, OTHER, operator_class

# Names as PyTorch, ONNX Runtime, OpenVINO and Inductor gave them in profiles, or as their operator lists have them.
NAMES = {
    "attention": "MultiHeadAttention aten::scaled_dot_product_attention",
    "convolution": "aten::conv2d aten::convolution aten::mkldnn_convolution mkldnn::_convolution_pointwise Conv "
    "aoti_torch_cpu_mkldnn__convolution_pointwise FusedConv NhwcConv "
    "QLinearConv ConvTranspose Convolution GroupConvolution aten::_slow_conv2d_forward "
    "aten::cudnn_convolution",
    "matrix product": "aten::addmm aten::mm aten::bmm aten::linear mkl::_mkl_linear Gemm MatMul FusedMatMul "
    "QLinearMatMul DynamicQuantizeMatMul FullyConnected triton_tem_fused_mm_2",
    "normalisation": "aten::native_batch_norm aten::_batch_norm_impl_index BatchNormalization LayerNormalization "
    "SkipLayerNormalization LRN MVN",
    "pooling and reduction": "aten::max_pool2d_with_indices aten::adaptive_avg_pool2d aten::mean aten::sum MaxPool "
    "GlobalAveragePool ReduceMean graph_0_cpp_fused_addmm_mean_view_2",
    "activation": "aten::relu_ aten::clamp_min_ aten::_softmax aten::gelu Relu PRelu LeakyRelu Softmax BiasGelu Clip "
    "graph_0_cpp_fused_relu_0 triton_poi_fused_convolution_relu_1",
    "quantisation": "QuantizeLinear DequantizeLinear DynamicQuantizeLinear aten::quantize_per_tensor",
    "elementwise": "aten::add_ aten::div_ aten::mul Add Mul QLinearAdd Eltwise Subgraph triton_poi_fused_convolution_0",
    "layout and copy": "aten::empty aten::as_strided_ aten::t aten::_to_copy aten::to_mkldnn aten::_to_dense Reorder "
    "ReorderOutput Reshape Transpose Concat Gather Cast MemcpyToHost",
    OTHER: "forward cudaLaunchKernel If",
}


@pytest.mark.parametrize(("known", "name"), [(known, name) for known, names in NAMES.items() for name in names.split()])
def test_libraries_names_for_the_same_meet(known: str, name: str) -> None:
    assert operator_class(name) == known


def test_torch_compiles_own_events_are_the_frameworks() -> None:
    for name in ("Torch-Compiled Region: 0/0", "## Call CompiledFxGraph None ##", "TorchDynamo Cache Lookup"):
        assert operator_class(name) == "framework"


def test_what_a_provider_compiled_as_one_is_of_no_class() -> None:
    assert operator_class("OpenVINO-EP-subgraph_2") == "other"
    assert operator_class("Subgraph") == "elementwise"


def test_a_hidden_operator_counts_as_what_it_is() -> None:
    assert operator_class("forward (prim::mkldnn_convolution)") == "convolution"


@given(st.text(max_size=60))
def test_every_name_has_a_class(name: str) -> None:
    assert operator_class(name) in CLASSES
