"""The cases: what is made from a seed, and how it is read. Each returns what came of it."""

from __future__ import annotations

import functools
import io
import json
import os
import pickle
import random
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ortbench.export.onnx_file import default_opset, model_sha256, read_signature
from ortbench.models.inputs import declared_arrays, make_inputs
from ortbench.models.npz import read_arrays, read_rows
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.results.study import load_results
from ortbench.results.tidy import COLUMNS
from ortbench.study_file import read_study
from tests.fuzz.damage import ODD_TEXTS, damage_bytes, damage_document
from tests.fuzz.harness import SECRET, Case, EscapeError
from tests.fuzz.readings import read_everything
from tests.results.factory import make_launches, make_rounds, make_run


def models(rng: random.Random, folder: Path) -> str:
    """A model file, damaged as a message or as bytes, some with weights beside it or elsewhere."""
    path = folder / "m.onnx"
    (folder / "w.bin").write_bytes(bytes(128))
    model = onnx.ModelProto()
    model.CopyFrom(_model())
    if rng.random() < 0.6:
        _damage_model(rng, model)
    content = model.SerializeToString()
    path.write_bytes(damage_bytes(rng, content) if rng.random() < 0.7 else content)
    inputs, _ = read_signature(path)
    model_sha256(path)
    default_opset(path)
    if f"../{SECRET}".encode() in path.read_bytes() and _reads_outside(path):
        raise EscapeError("weights outside the model's folder were accepted")
    small = all(isinstance(size, int) and size < 9 for spec in inputs for size in spec.shape)
    if small:
        make_inputs(ModelSource(name="m", inputs=inputs), 2)
    return "read"


def _reads_outside(path: Path) -> bool:
    """Whether a model that was accepted has weights outside, by a look at every message that it consists of."""
    return any(
        entry.key == "location" and ".." in entry.value
        for message in _messages(onnx.load_model(str(path), load_external_data=False))
        if isinstance(message, TensorProto) and message.data_location == TensorProto.EXTERNAL
        for entry in message.external_data
    )


def _messages(message: object) -> list[object]:
    found = [message]
    for descriptor, value in message.ListFields():  # type: ignore[attr-defined]  # any protobuf message
        if descriptor.message_type:
            for each in value if hasattr(value, "__len__") else [value]:
                found += _messages(each)
    return found


@functools.cache
def _model() -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4), "w")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(4, np.float32)))],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [4])],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("If", ["flag"], ["bias"], then_branch=branch, else_branch=branch),
        helper.make_node("Add", ["z", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _damage_model(rng: random.Random, model: onnx.ModelProto) -> None:
    tensors = [message for message in _messages(model) if isinstance(message, TensorProto)]
    values = [*model.graph.input, *model.graph.output]
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.randrange(6)
        if kind <= 1:
            tensor = rng.choice(tensors)
            tensor.data_location = TensorProto.EXTERNAL
            place = rng.choice(("w.bin", f"../{SECRET}", "/etc/passwd", "loop", *_encodable()))
            tensor.external_data.add(key="location", value=place)
            tensor.external_data.add(key=rng.choice(("offset", "length", "?")), value=rng.choice(_encodable()))
        elif kind == 2:
            rng.choice(values).type.tensor_type.elem_type = rng.choice((0, 8, 16, 17, 23, 77, 2**31 - 1))
        elif kind == 3:
            dimension = rng.choice(values).type.tensor_type.shape.dim.add()
            dimension.dim_value = rng.choice((-1, 0, 10**12, 2**62, -(2**62)))
        elif kind == 4:
            rng.choice(values).type.tensor_type.shape.dim.add().dim_param = rng.choice(_encodable())
        else:
            rng.choice(values).name = rng.choice(_encodable())


@functools.cache
def _encodable() -> tuple[str, ...]:
    return tuple(text for text in ODD_TEXTS if text.isprintable() or "\ud800" not in text)


def tables(rng: random.Random, folder: Path) -> str:
    """A CSV with odd cells, columns, separators and encodings."""
    names = ["engine", "batch_size", "threads", "latency_ms", *rng.sample(list(COLUMNS), rng.randrange(6))]
    names = list(dict.fromkeys(names))
    if rng.random() < 0.1:
        names[rng.randrange(len(names))] = rng.choice(ODD_TEXTS)
    separator = rng.choice(",,,,;\t|")
    lines = [separator.join(names)]
    for number in range(rng.choice((0, 1, 2, 5, 20))):
        cells = [_cell(rng, name, number) for name in names]
        lines.append(separator.join(f'"{cell}"' if rng.random() < 0.1 else cell for cell in cells))
    text = rng.choice(("\n", "\n", "\r\n", "\r")).join(lines)
    content = text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")
    path = folder / "r.csv"
    path.write_bytes(damage_bytes(rng, content) if rng.random() < 0.3 else content)
    return read_everything(rng, load_results(path))


def _cell(rng: random.Random, name: str, number: int) -> str:
    if rng.random() < 0.015:
        return rng.choice(ODD_TEXTS)
    usual = {
        "engine": ("torch", "ort", "a,b"),
        "model": ("m", "n"),
        "mode": ("single", "single", "single", "single", "single", "single", "split", "stream"),
        "status": ("ok", "failed"),
    }
    if name in usual:
        return rng.choice(usual[name])
    if name == "instances":
        return rng.choice(("1", "1", "1", "1", "2"))
    if COLUMNS.get(name) is int:
        return str(rng.choice((number + 1, number + 1, number + 1, 2, 16, 10**12, 10**15 - 1)))
    if COLUMNS.get(name) is float:
        return rng.choice(("5", "4.5", "1e-100", "1e100", "0.001", "5"))
    return rng.choice(("", "x"))


def folders(rng: random.Random, folder: Path) -> str:
    """A results folder in which one file is damaged as a document, a line or bytes."""
    _write_folder(folder)
    name = rng.choice(("run.json", "rounds.jsonl", "rounds.jsonl", "launches.jsonl", "launches.jsonl"))
    path = folder / name
    kind = rng.random()
    if kind < 0.05:
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()
    elif kind < 0.2:
        path.write_bytes(damage_bytes(rng, path.read_bytes()))
    else:
        for _ in range(rng.choice((1, 1, 2, 3))):
            lines = path.read_text(encoding="utf-8").splitlines() or ["{}"]
            place = 0 if name == "run.json" else rng.randrange(len(lines))
            document = json.loads("\n".join(lines) if name == "run.json" else lines[place])
            lines[place : len(lines) if name == "run.json" else place + 1] = [
                json.dumps(damage_document(rng, document))
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_everything(rng, load_results(folder))


def _write_folder(folder: Path) -> None:
    for name, content in _folder_files().items():
        (folder / name).write_bytes(content)


@functools.cache
def _folder_files() -> dict[str, bytes]:
    parity = {"ok": True, "reference": "torch", "max_abs_error": 1e-7, "cosine": 1.0, "inputs": 64, "full": True}
    placement = {"requested": "CPUExecutionProvider", "assigned": {"CPUExecutionProvider": 3}, "unit": "nodes"}
    evidence = {"precision": {"parameters": "float32"}, "layout": "NCHW", "busy_threads": 2, "gradients": False}
    launches = make_launches(["torch", "ort"], 3, parity=parity, placement=placement, evidence=evidence, threads=2)
    figures = {"torch": [[5.0, 5.1], [5.2, 5.0], [5.1, 5.1]], "ort": [[4.0, 4.1], [4.2, 4.0], [4.1, 4.1]]}
    rounds = make_rounds(figures)

    def lines(records: list[msgspec.Struct]) -> bytes:
        return b"".join(msgspec.json.encode(record) + b"\n" for record in records)

    run = make_run(["torch", "ort"], settings={"target": 0.02, "max_time_s": 60.0, "engines": ["torch", "ort"]})
    return {
        "run.json": msgspec.json.encode(run),
        "rounds.jsonl": lines([*rounds]),
        "launches.jsonl": lines([*launches]),
    }


def studies(rng: random.Random, folder: Path) -> str:
    """A study file, TOML or run.json, with values of other kinds."""
    if rng.random() < 0.5:
        document = damage_document(rng, _STUDY | {"settings": damage_document(rng, _STUDY["settings"])})
        path, text = folder / "run.json", json.dumps(document)
    else:
        path, text = folder / "s.toml", "\n".join(_toml_line(rng) for _ in range(rng.randrange(6)))
    content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(damage_bytes(rng, content) if rng.random() < 0.3 else content)
    fields = read_study(path)
    if any(
        "python=" in str(fields.get(name)) or "library=" in str(fields.get(name)) for name in ("engines", "baseline")
    ):
        raise EscapeError("a file may name a program")
    return "read"


_STUDY = {
    "settings": {
        "engines": ["torch", "ort[python=/x/evil]"],
        "baseline": "torch",
        "model": "tiny",
        "weights": "random",
        "batch_sizes": [1, 4],
        "threads": [1],
        "target": 0.02,
        "max_time_s": 60.0,
        "seed": 0,
        "twins": "smallest",
        "input_shapes": {"x": [1, 3]},
        "inputs": None,
        "rate": 20.0,
        "values": {"ids": "0..9"},
    },
    "artifact": {"path": "/x/m.onnx"},
}


def _toml_line(rng: random.Random) -> str:
    key = rng.choice(
        (
            "engines",
            "baseline",
            "model",
            "batch_sizes",
            "threads",
            "seed",
            "rate",
            "target",
            "input_shape",
            "values",
            "x",
            "full",
        )
    )
    value = rng.choice(
        (
            *(
                '"ort"',
                '"ort[python=/x/evil]"',
                '["torch", "ort:plugin[library=/x/evil.so]"]',
                "1",
                "[1, 4]",
                "[]",
                "true",
            ),
            *('"2%"', "{x = [1, 3]}", "{x = 1}", "-1", "1e308", "nan", "9" * 400, "9" * 5000, "[" * 2000 + "]" * 2000),
            *("2026-01-01", '""', '"evil.py:Net"', '"evil.pt2"', "''", "{", json.dumps(rng.choice(ODD_TEXTS))),
        )
    )
    return f"{key} = {value}"


def arrays(rng: random.Random, folder: Path) -> str:
    """An .npz file, damaged inside its members or as a zip."""
    made = io.BytesIO()
    save = rng.choice((np.savez, np.savez_compressed))
    save(made, x=np.ones((5, 3), rng.choice(("f4", "i8", "U3", "S3", "?"))), y=np.zeros((2, 2), order="F"))
    content = made.getvalue()
    if rng.random() < 0.6:
        again = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                member = old.read(name)
                new.writestr(
                    name if rng.random() < 0.8 else f"n{rng.choice(_encodable())[:60000]}", damage_bytes(rng, member)
                )
        content = again.getvalue()
    path = folder / "in.npz"
    path.write_bytes(damage_bytes(rng, content) if rng.random() < 0.6 else content)
    declared_arrays(path)
    read_arrays(path)
    read_rows(path, "x", 0, [1, 2])
    source = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 3)),), inputs_file=str(path))
    make_inputs(source, 2)
    return "read"


def weights(rng: random.Random, folder: Path) -> str:
    """A state dict's file, damaged, or a pickle that would write outside. Imports torch: for the long run only."""
    import torch

    from ortbench.models.loading import load_state_dict

    path = folder / "w.pt"
    if rng.random() < 0.2:
        path.write_bytes(pickle.dumps(_Writer(str(folder.parent / "escaped"))))
    else:
        made = io.BytesIO()
        torch.save(torch.nn.Linear(3, 2).state_dict(), made)
        path.write_bytes(damage_bytes(rng, made.getvalue()))
    load_state_dict(torch.nn.Linear(3, 2), path, "m")
    return "read"


class _Writer:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self._path,)


CASES: dict[str, Case] = {
    "models": models,
    "tables": tables,
    "folders": folders,
    "studies": studies,
    "arrays": arrays,
    "weights": weights,
}
