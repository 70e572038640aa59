from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.export.output_shapes import with_inferred_outputs
from ortbench.runner.sources import InputOptions, resolve_model
from tests.ortbench import unusual_models as models


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_state_without_names_has_its_batch_where_the_graph_puts_it(tmp_path: Path, batch: int) -> None:
    shapes = {"input": (batch, 64), "state": (2, batch, 16)}
    source = resolve_model(str(models.voice(tmp_path)), None, 0, InputOptions(shapes=shapes)).source
    assert [spec.shape for spec in source.outputs] == [("?y_0", 16), ("?stateN_0", "?stateN_1", "?stateN_2")]
    found = with_inferred_outputs(source)
    assert [spec.shape for spec in found.outputs] == [("batch", 16), (2, "batch", 16)]


def test_what_has_a_name_keeps_it(tmp_path: Path) -> None:
    source = resolve_model(str(models.detector(tmp_path)), None, 0, InputOptions()).source
    assert with_inferred_outputs(source) == source
