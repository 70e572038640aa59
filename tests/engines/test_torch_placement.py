"""Where a PyTorch module's weights are, and what is said when its output comes from elsewhere."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: inference mode would outlive the test.
_SCRIPT = """
import torch
from ortbench.engines.base import LoadRequest
from ortbench.engines.evidence import fallback_reason
from ortbench.engines.pytorch import TorchEngine
from ortbench.engines.torch_base import _devices
from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs

module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, device="meta"))
print(dict(_devices(module)))
source = find_model("tiny").source()
engine = TorchEngine()
engine.load(LoadRequest(source=source, artifact=None, target="cpu", threads=1))
engine.bind(make_inputs(source, 1))
engine.run()
print(engine.evidence().placement.assigned, fallback_reason(engine.evidence()))
engine._result = torch.empty(1, device="meta")
print(engine.evidence().placement.assigned, fallback_reason(engine.evidence()))
"""


def test_weights_are_counted_by_device_and_an_output_from_elsewhere_is_a_fallback() -> None:
    finished = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", _SCRIPT], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    mixed, honest, elsewhere = finished.stdout.splitlines()[-3:]
    assert mixed == "{'cpu': 2, 'meta': 2}"
    assert honest == "{'cpu': 6} None"
    assert elsewhere == "{'meta': 6} asked for cpu, but the parameters ran on: meta (6)"
