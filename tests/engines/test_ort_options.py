from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import LoadRequest, OptionValue
from ortbench.engines.ort_config_keys import CONFIG_KEYS
from ortbench.engines.ort_options import RECORD_PLACEMENT, config_entries, plan_session
from ortbench.engines.registry import resolve_engines
from ortbench.errors import EngineSpecError
from ortbench.models.spec import ModelSource

# In the header and in no string of a Linux x86-64 library: short ones are compiled into instructions, the others belong
# to other systems.
UNSEEN = {
    "ep.context_node_name_prefix",
    "ep.nnapi.partitioning_stop_ops",
    "ep.share_ep_contexts",
    "ep.stop_share_ep_contexts",
    "mlas.enable_gemm_fastmath_arm64_bfloat16",
    "session.model_external_initializers_file_folder_path",
}


def request_of(text: str, threads: int = 3) -> LoadRequest:
    [engine] = resolve_engines(text)
    source = ModelSource(name="m", inputs=())
    return LoadRequest(source=source, artifact="", target=engine.target, threads=threads, options=engine.options)


def test_every_thread_count_is_explicit_and_the_placement_on_record() -> None:
    plan = plan_session(request_of("ort"))
    assert (plan.intra_threads, plan.inter_threads, plan.parallel, plan.arena) == (3, 1, False, True)
    assert plan.config == {RECORD_PLACEMENT: "1"}
    assert plan.optimization_level == "ORT_ENABLE_ALL"
    assert not plan.cpu_follows


def test_options_become_what_the_session_is_told() -> None:
    plan = plan_session(
        request_of(
            "ort[graph_optimization_level=basic,execution_mode=parallel,inter_threads=2,spinning=false,arena=false,"
            "dim.sequence=128,config.session.set_denormal_as_zero=1,session.dynamic_block_base=4]"
        )
    )
    assert plan.optimization_level == "ORT_ENABLE_BASIC"
    assert (plan.parallel, plan.inter_threads, plan.arena) == (True, 2, False)
    assert plan.dimensions == {"sequence": 128}
    assert plan.config == {
        RECORD_PLACEMENT: "1",
        "session.intra_op.allow_spinning": "0",
        "session.inter_op.allow_spinning": "0",
        "session.set_denormal_as_zero": "1",
        "session.dynamic_block_base": "4",
    }


def test_branches_at_once_get_as_many_threads_as_the_arm() -> None:
    assert plan_session(request_of("ort[execution_mode=parallel]")).inter_threads == 3


def test_the_cpu_may_follow_unless_it_is_forbidden() -> None:
    assert plan_session(request_of("ort:openvino")).cpu_follows
    assert not plan_session(request_of("ort:openvino[session.disable_cpu_ep_fallback=1]")).cpu_follows


def test_a_provider_with_threads_of_its_own_has_no_others_spinning_beside_it() -> None:
    assert plan_session(request_of("ort:xnnpack")).config["session.intra_op.allow_spinning"] == "0"


@given(st.sampled_from(CONFIG_KEYS), st.booleans())
def test_every_known_config_key_is_accepted_with_and_without_its_prefix(key: str, prefixed: bool) -> None:
    [engine] = resolve_engines(f"ort[{'config.' if prefixed else ''}{key}=1]")
    assert config_entries(engine.options) == {key: "1"}


@given(st.from_regex(r"(session|ep|mlas|optimization)\.[a-z_]{1,30}", fullmatch=True))
def test_no_other_config_key_is_accepted(key: str) -> None:
    if key not in CONFIG_KEYS:
        with pytest.raises(EngineSpecError, match=f"^There is no {key} for "):
            resolve_engines(f"ort[{key}=1]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ort[session.intra_op.allow_spining=0]",
            "There is no session.intra_op.allow_spining for 'ort[session.intra_op.allow_spining=0]'. Did you mean "
            "session.intra_op.allow_spinning or session.inter_op.allow_spinning or session.intra_op.spin_duration_us?",
        ),
        (
            "ort[config.zzzzzz=0]",
            "There is no config.zzzzzz for 'ort[config.zzzzzz=0]'. Nothing that is known is spelled like it.",
        ),
        (
            "ort[spinning=false,session.intra_op.allow_spinning=1]",
            "'ort[spinning=false,session.intra_op.allow_spinning=1]' cannot be: spinning and "
            "session.intra_op.allow_spinning say the same thing.",
        ),
        (
            "ort[session.disable_prepacking=1,config.session.disable_prepacking=0]",
            "'ort[session.disable_prepacking=1,config.session.disable_prepacking=0]' cannot be: "
            "session.disable_prepacking is given twice.",
        ),
        (
            "ort[inter_threads=2]",
            "'ort[inter_threads=2]' cannot be: inter_threads goes with execution_mode=parallel.",
        ),
        (
            "ort[execution_mode=parallel,inter_threads=0]",
            "'ort[execution_mode=parallel,inter_threads=0]' cannot be: inter_threads is at least 1.",
        ),
        ("ort[dim.N=many]", "Expected dim.N of 'ort[dim.N=many]' to be a whole number, but got 'many'."),
        ("ort[library=a.so]", "'ort[library=a.so]' cannot be: library goes with ort:plugin."),
        (
            "ort:plugin",
            "'ort:plugin' cannot be: ort:plugin needs library=FILE, the execution provider's library.",
        ),
        (
            "ort[provider.a=1]",
            "'ort[provider.a=1]' cannot be: ortbench knows no options of CPUExecutionProvider, but got provider.a.",
        ),
        (
            "ort:cuda[provider.use_tf31=1]",
            "'ort:cuda[provider.use_tf31=1]' cannot be: CUDAExecutionProvider has no option use_tf31; "
            "did you mean use_tf32.",
        ),
        (
            "ort:cuda[provider.use_tf32=1]",
            "'ort:cuda[provider.use_tf32=1]' cannot be: provider.use_tf32=1 contradicts the fp32 lane, which needs "
            "use_tf32=0.",
        ),
    ],
)
def test_what_is_not_known_or_contradicts_itself_is_refused(text: str, message: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        resolve_engines(text)
    assert str(caught.value) == message


def test_a_record_of_the_placement_cannot_be_switched_off() -> None:
    with pytest.raises(EngineSpecError, match=f"^There is no {RECORD_PLACEMENT} "):
        resolve_engines(f"ort[{RECORD_PLACEMENT}=0]")


def test_a_plugins_options_are_its_own_business() -> None:
    [engine] = resolve_engines("ort:plugin[library=/a/b:c.so,ep=MyEp,device=1,provider.anything=x|y]")
    expected: dict[str, OptionValue] = {
        "library": "/a/b:c.so",
        "ep": "MyEp",
        "device": 1,
        "provider.anything": "x|y",
    }
    assert engine.options == expected
    assert plan_session(request_of(engine.label)).provider_options == {"anything": "x|y"}


def test_the_installed_library_knows_the_config_keys() -> None:
    import onnxruntime

    [library] = (Path(onnxruntime.__file__).parent / "capi").glob("onnxruntime_pybind11_state*.so")
    content = library.read_bytes()
    if b"1.32.0" not in content:
        pytest.skip(f"the list is of 1.32.0, here is {onnxruntime.__version__}")
    assert {key for key in CONFIG_KEYS if key.encode() not in content} == UNSEEN
