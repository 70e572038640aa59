"""Weights, loaded for real: these import torch."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ortbench.errors import ModelError
from ortbench.models import resnet
from ortbench.models.catalog import find_model
from ortbench.models.loading import load_module

TINY = find_model("tiny")


def test_random_weights_depend_on_the_seed_alone() -> None:
    first, second, other = (load_module(TINY.source(seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_a_module_is_ready_for_inference() -> None:
    assert not load_module(TINY.source()).training


def test_a_state_dict_is_loaded(tmp_path: Path) -> None:
    state = load_module(TINY.source(seed=7)).state_dict()
    torch.save(state, tmp_path / "weights.pt")
    loaded = load_module(TINY.source(weights=str(tmp_path / "weights.pt"))).state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_a_file_that_runs_code_when_unpickled_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save(Evil(), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=r"is no state dict that torch.load\(weights_only=True\) reads"):
        load_module(TINY.source(weights=str(tmp_path / "weights.pt")))
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_model_do_not_fit(tmp_path: Path) -> None:
    torch.save({"wrong": torch.zeros(1)}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="does not fit 'tiny'"):
        load_module(TINY.source(weights=str(tmp_path / "weights.pt")))


def test_a_list_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="holds a list, not a state dict"):
        load_module(TINY.source(weights=str(tmp_path / "weights.pt")))


def test_a_damaged_file_is_no_state_dict(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"junk")
    with pytest.raises(ModelError, match="is no state dict"):
        load_module(TINY.source(weights=str(tmp_path / "weights.pt")))


def test_pretrained_weights_without_a_network_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    monkeypatch.setattr("torch.hub.get_dir", lambda: "/nonexistent-ortbench-hub")
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    with pytest.raises(ModelError) as caught:
        load_module(find_model("resnet18").source(weights="pretrained"))
    assert str(caught.value) == (
        "The pretrained weights of 'resnet18' could not be downloaded: <urlopen error no route to host>. Connect to "
        "the network, or give a state dict's file (--weights PATH), or use --weights random."
    )


def test_the_whole_family_names_published_weights() -> None:
    from torchvision.models import get_model_weights

    for spec in resnet.SPECS:
        assert get_model_weights(spec.name).DEFAULT is not None
