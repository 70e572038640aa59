"""Asking ONNX Runtime for a provider that it cannot use is a warning: the session is created and runs on the CPU.

Asks for CUDA with the onnxruntime that is installed here, then lets ortbench do the same.

    python examples/demonstrations/provider_fallback.py [--quick]
"""

import argparse
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime

from ortbench.engines.base import LoadRequest
from ortbench.engines.ort import OrtEngine, one_node_model
from ortbench.errors import ArmInvalid
from ortbench.models.spec import ModelSource, TensorSpec

CUDA = "CUDAExecutionProvider"


def plain_onnxruntime() -> None:
    """Do what a benchmark does that trusts the provider it asked for."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = onnxruntime.InferenceSession(one_node_model(), options, providers=[CUDA])
    [result] = session.run(None, {"x": np.ones(1, np.float32)})
    nodes = Counter({part.ep_name: len(part.get_nodes()) for part in session.get_provider_graph_assignment_info()})
    print(f"available           {', '.join(onnxruntime.get_available_providers())}")
    print(f"asked for           {CUDA}")
    print(f"warnings            {len(caught)}; errors none")
    print(f"providers in use    {', '.join(session.get_providers())}")
    print(f"it runs             1 + 1 = {result[0]:g}")
    print(f"nodes ran on        {', '.join(f'{name} ({count})' for name, count in nodes.items())}")


def with_ortbench() -> None:
    """Show what ortbench says before measuring, and what it says if it is made to load the model all the same."""
    print(f"ortbench, before    {OrtEngine.probe('cuda').reason or 'it can run here: there is nothing to refuse'}")
    source = ModelSource(name="one", inputs=(TensorSpec("x", (1,)),), outputs=(TensorSpec("y", (1,)),))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "one.onnx"
        path.write_bytes(one_node_model())
        try:
            OrtEngine().load(LoadRequest(source=source, artifact=str(path), target="cuda", threads=1))
        except ArmInvalid as error:
            print(f"ortbench, loading   invalid: {error}")
        else:
            print("ortbench, loading   the provider is there")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the same; it takes a second anyway")
    parser.parse_args()
    plain_onnxruntime()
    with_ortbench()
