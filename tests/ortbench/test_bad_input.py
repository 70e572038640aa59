"""Every wrong input is one message that says what to do, exit status 2, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from onnx.defs import onnx_opset_version

from ortbench.runner.cpus import thread_limit
from tests.conftest import CommandLine, write_model

LIMIT = thread_limit()
CHOICES = "torch, torchscript, compile, aoti, openvino, ort, null, scripted"
BATCHES = "Expected --batch-sizes to be whole numbers of at least 1 separated by commas, such as 1,4,16, but got "


def refused(ortbench: CommandLine, *words: str | Path) -> str:
    """Run a command that must be refused; return its message without the word Error."""
    outcome = ortbench(*words)
    assert outcome.status == 2
    assert outcome.stdout == ""
    assert list(Path.cwd().iterdir()) == [], "nothing may be written"
    assert outcome.stderr.startswith("Error: ")
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.removeprefix("Error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--engines", "tensorflow"],
            f"Expected an engine to be one of [{CHOICES}], but got 'tensorflow'. See `ortbench engines`.",
        ),
        (
            ["--engines", "torch,,ort"],
            "Expected engines separated by commas, such as torch,ort, but 'torch,,ort' has an empty one.",
        ),
        (["--engines", "ort,ort:cpu"], "Expected each engine once, but 'ort,ort:cpu' names ort twice."),
        (
            ["--engines", "torch[fast=true]"],
            "Expected an option of 'torch[fast=true]' to be one of [channels_last, cudnn_benchmark, precision, "
            "python], but got 'fast'.",
        ),
        (
            ["--model", "resnet"],
            "Expected --model to be one of [resnet18, resnet34, resnet50, resnet101, resnet152, tiny], "
            "but got 'resnet'. A path must end in .onnx; see `ortbench models`.",
        ),
        (["--batch-sizes", "0"], f"{BATCHES}'0' in '0'."),
        (["--batch-sizes", "1,-4"], f"{BATCHES}'-4' in '1,-4'."),
        (["--batch-sizes", "one"], f"{BATCHES}'one' in 'one'."),
        (["--batch-sizes", "4,4"], "Expected each of --batch-sizes once, but got 4 twice in '4,4'."),
        (
            ["--threads", str(LIMIT + 1)],
            f"Expected --threads of at most {LIMIT}, as many CPUs as this process may use here, but got {LIMIT + 1}.",
        ),
        (
            ["--full", "--threads", "1"],
            "Expected either --full or --threads, but got both; --full means every thread count.",
        ),
        (
            ["--full", "--batch-sizes", "1"],
            "Expected either --full or --batch-sizes, but got both; --full means 1 to 256.",
        ),
        (
            ["--max-time", "forever"],
            "Expected --max-time to be a duration such as 90s, 5m, 1h or 50ms, but got 'forever'.",
        ),
        (["--target", "2"], "Expected --target to be a percentage such as 2%, but got '2'."),
        (
            ["--engines", "torch,ort", "--baseline", "torchscript"],
            "Expected --baseline to be one of [torch, ort], but got 'torchscript'.",
        ),
        (
            ["--weights", "nowhere.pt"],
            "Expected --weights to be one of [random, pretrained] or a state dict's file, but got 'nowhere.pt'.",
        ),
        (
            ["--model", "tiny", "--weights", "pretrained"],
            "There are no pretrained weights for 'tiny'; use --weights random.",
        ),
        (["--input-shape", "224"], "Expected --input-shape NAME=1x3x224x224, but got '224'."),
        (
            ["--input-shape", "input=1x3x225x225"],
            "--input-shape gives 'input' the shape 1x3x225x225, but the model wants batchx3x224x224.",
        ),
        (["--inputs", "nowhere.npz"], "--inputs 'nowhere.npz' does not exist."),
    ],
)
def test_compare_refuses(ortbench: CommandLine, words: list[str], message: str) -> None:
    assert refused(ortbench, "compare", *words) == message


@pytest.mark.parametrize("engine", ["ort:cuda", "torch:cuda", "torchscript:cuda"])
def test_a_target_that_is_not_here_names_what_is_and_what_would_add_it(ortbench: CommandLine, engine: str) -> None:
    from ortbench.engines.cuda import missing_gpu_reason

    if missing_gpu_reason() is None:
        pytest.skip("there is a GPU here")
    message = refused(ortbench, "compare", "--engines", f"torch,{engine}")
    assert message.startswith(f"The engine '{engine}' cannot run here: ")
    assert " To add it: " in message
    assert "a machine with an NVIDIA GPU and its driver" in message
    assert message.endswith("Of those asked for, [torch] can run. `ortbench engines` lists all.")


def test_an_output_folder_with_other_results_is_refused(ortbench: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "run.json").write_text("{}", encoding="ascii")
    assert refused(ortbench, "compare", "--output", folder) == (
        f"The output folder '{folder}' already holds other results. Give an --output folder that is new or empty, "
        "or --resume to go on with the study in it."
    )
    assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_an_empty_onnx_file(ortbench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    assert refused(ortbench, "compare", "--model", tmp_path / "m.onnx") == f"The model '{tmp_path}/m.onnx' is empty."


@pytest.mark.parametrize("content", [b"not a model at all", b"\x08\x08\x12\x07ortbench"])
def test_an_onnx_file_that_is_none_or_truncated(ortbench: CommandLine, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    message = refused(ortbench, "compare", "--model", tmp_path / "m.onnx")
    assert message == f"The model '{tmp_path}/m.onnx' is truncated or not an ONNX file."


def test_an_onnx_file_that_is_a_folder(ortbench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    message = refused(ortbench, "compare", "--model", tmp_path / "m.onnx")
    assert message == f"The model '{tmp_path}/m.onnx' is a folder; expected an .onnx file."


def test_an_onnx_file_that_is_not_there(ortbench: CommandLine) -> None:
    missing = "The model 'no.onnx' does not exist; `ortbench models` lists those that need no file."
    assert refused(ortbench, "compare", "--model", "no.onnx") == missing


def test_an_onnx_file_without_its_external_data(ortbench: CommandLine, tmp_path: Path) -> None:
    import onnx

    path = write_model(tmp_path / "m.onnx", ["N", 8])
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    message = refused(ortbench, "compare", "--model", path)
    assert message == f"The model '{path}' keeps weights in 'w.bin', which is missing beside it."


def test_a_shape_that_nothing_determines(ortbench: CommandLine, tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", ["N", "length", 8])
    assert refused(ortbench, "compare", "--model", path) == (
        "Nothing says what length is in the input 'x' (batchxlengthx8). "
        "Give --input-shape x=1x16x8 with your own numbers, or --inputs FILE.npz."
    )


def test_another_batch_size_than_the_file_fixes(ortbench: CommandLine, tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", [3, 8])
    assert refused(ortbench, "compare", "--model", path, "--batch-sizes", "1,4") == (
        "The model's batch size is fixed at 3, but --batch-sizes asks for 1,4. "
        "Leave the option out, or export the model with a dynamic batch dimension."
    )


def test_a_pytorch_engine_cannot_run_an_onnx_file(ortbench: CommandLine, model_file: Path) -> None:
    assert refused(ortbench, "compare", "--model", model_file, "--engines", "ort,torch") == (
        f"The engine 'torch' runs PyTorch models and cannot run '{model_file}'; give --engines ort for an .onnx file."
    )


def test_weights_for_an_onnx_file(ortbench: CommandLine, model_file: Path) -> None:
    message = refused(ortbench, "compare", "--model", model_file, "--weights", "random")
    assert message == f"--weights goes with a catalog model; '{model_file}' brings its own weights."


def test_a_model_that_onnx_runtime_cannot_run(ortbench: CommandLine, tmp_path: Path) -> None:
    import onnx

    path = write_model(tmp_path / "m.onnx", ["N", 8])
    model = onnx.load(str(path))
    model.graph.node[1].op_type = "NoSuchOperator"
    path.write_bytes(model.SerializeToString())
    outcome = ortbench("compare", "--model", path, "--output", tmp_path / "out", "--quiet")
    assert outcome.status == 2
    assert outcome.stderr.startswith("Error: The model cannot be run: ONNX Runtime cannot load ")
    assert "NoSuchOperator" in outcome.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--opset", "999"], f"Expected --opset to be a whole number from 7 to {onnx_opset_version()}, but got '999'."),
        (["--opset", "new"], f"Expected --opset to be a whole number from 7 to {onnx_opset_version()}, but got 'new'."),
        (["--exporter", "magic"], "Expected --exporter to be one of [dynamo, torchscript], but got 'magic'."),
        (
            ["--output", "m.onnx"],
            "Expected --output to be a folder, for model.onnx and its manifest, but got the file 'm.onnx'.",
        ),
        (["--model", "m.onnx"], "'m.onnx' is an ONNX file already; `ortbench compare --model m.onnx` runs it."),
    ],
)
def test_export_refuses(ortbench: CommandLine, words: list[str], message: str) -> None:
    assert refused(ortbench, "export", *words) == message


def test_export_refuses_a_folder_with_other_files(ortbench: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    assert refused(ortbench, "export", "--output", folder) == (
        f"The output folder '{folder}' already holds other files. Give one that is new or empty."
    )


@pytest.mark.parametrize("command", ["show", "charts"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine,batch_size,latency_ms\na,1,5\n", "lacks the column threads; expected at least "
         "engine, batch_size, threads, latency_ms. It has engine, batch_size, latency_ms."),
        ("engine,batch_size,threads,latency_ms\na,1,1,slow\n", "row 2: expected latency_ms to be a positive number, "
         "but got 'slow'."),
        ("engine,batch_size,threads,latency_ms\na,1,1,-3\n", "row 2: expected latency_ms to be a positive number, "
         "but got '-3'."),
    ],
)  # fmt: skip
def test_a_bad_csv(ortbench: CommandLine, tmp_path: Path, command: str, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="ascii")
    assert refused(ortbench, command, path) == f"'{path}' {message}"


@pytest.mark.parametrize("words", [["nonsense"], ["compare", "--nonsense"], ["show"], ["export", "--seed", "many"]])
def test_wrong_usage_of_the_command_line_itself(ortbench: CommandLine, words: list[str]) -> None:
    outcome = ortbench(*words)
    assert outcome.status == 2
    assert outcome.stdout == ""
    assert "--help" in outcome.stderr
    assert list(Path.cwd().iterdir()) == []


def test_debug_shows_the_traceback(ortbench: CommandLine) -> None:
    outcome = ortbench("compare", "--engines", "tensorflow", "--debug")
    assert outcome.status == 2
    assert "Traceback" in outcome.stderr
    assert [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")] == [
        outcome.stderr.splitlines()[-1]
    ]


def test_a_fault_of_our_own_is_one_message_too(ortbench: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("ortbench.results.source.load_summary", fail)
    outcome = ortbench("show", "anything")
    assert outcome.status == 70
    assert re.fullmatch(
        r"Error: ortbench itself failed in ortbench\.commands\.looking:\d+: KeyError: 'lost'\. "
        r"Add --debug to the same command for the traceback; please report it with the command and the version, .+\.\n",
        outcome.stderr,
    )
