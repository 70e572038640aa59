from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ortbench.errors import InputShapeError
from ortbench.runner import images, job_messages
from ortbench.runner.images import images_file, means_images
from tests.conftest import CommandLine


def image(path: Path, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_images_go_through_the_models_own_preprocessing(tmp_path: Path) -> None:
    """A worker does it, once; this process does the same to compare, in the order of the names."""
    from torchvision.models import ResNet18_Weights

    files = [image(tmp_path / "in" / name, seed) for seed, name in enumerate(("b.png", "a.JPG", "c.jpeg"))]
    (tmp_path / "in" / "notes.txt").write_text("no image")
    made = images_file("resnet18", str(tmp_path / "in"))
    transform = ResNet18_Weights.DEFAULT.transforms()
    with np.load(made) as arrays:
        rows = arrays["input"]
    assert (rows.shape, rows.dtype) == ((3, 3, 224, 224), np.float32)
    for row, file in zip(rows, sorted(files), strict=True):
        np.testing.assert_allclose(row, transform(Image.open(file).convert("RGB")).numpy(), atol=1e-6)

    stamp = made.stat().st_mtime_ns
    (tmp_path / "in").rename(tmp_path / "moved")
    assert images_file("resnet18", str(tmp_path / "moved")) == made
    assert made.stat().st_mtime_ns == stamp
    image(tmp_path / "moved" / "d.png", 9)
    assert images_file("resnet18", str(tmp_path / "moved")) != made


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputShapeError, match=r"--inputs '.*a\.png' is no image that can be read"):
        images_file("resnet18", str(tmp_path / "a.png"))


@pytest.mark.parametrize("side", [10_000, 30_000, 2**31 - 1])
def test_an_image_that_would_fill_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    bomb = tmp_path / "a.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    # What would unpack it.
    model = SimpleNamespace(preprocess=lambda: lambda _: pytest.fail("it was unpacked"))
    monkeypatch.setattr(images, "find_model", lambda _: model)
    request = job_messages.Preprocess(model="resnet18", images=(str(bomb),), path=str(tmp_path / "out.npz"))
    with pytest.raises(InputShapeError, match=r"a\.png' is larger than any image should be: Image size"):
        images.preprocess(request)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("text", "expected"), [("a.png", True), ("a.JPEG", True), ("a.npz", False), ("missing", False), (".", True)]
)
def test_a_folder_or_an_image_means_images(text: str, expected: bool) -> None:
    assert means_images(text) is expected


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (
            "tiny",
            "empty",
            "--inputs 'empty' is of images, and 'tiny' brings no preprocessing for them; give --inputs FILE.npz.",
        ),
        ("resnet18", "empty", "--inputs 'empty' holds no image; expected files ending in .jpg, .jpeg, .png."),
        ("resnet18", "no.png", "--inputs 'no.png' does not exist."),
        (
            "m.onnx",
            "empty",
            "--inputs 'empty' is of images, and nothing says how 'm.onnx' wants them; give --inputs FILE.npz.",
        ),
    ],
)
def test_images_that_cannot_be_used_are_refused_before_anything_runs(
    ortbench: CommandLine, model: str, inputs: str, message: str
) -> None:
    Path("empty").mkdir()
    outcome = ortbench("compare", "--model", model, "--inputs", inputs, "--output", "out")
    assert outcome.status == 2
    assert outcome.stderr.rstrip().endswith(message)
    assert not Path("out").exists()
