"""Images as inputs: through the model's own preprocessing once, in a worker, into an .npz file in the cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import tempfile
import warnings
from pathlib import Path

import numpy as np

from ortbench.errors import ArmError, InputShapeError
from ortbench.export.cache import cache_root, make_cache_folder
from ortbench.locking import lock_of, locked
from ortbench.models.catalog import find_model
from ortbench.models.files import file_sha256
from ortbench.runner import job_messages
from ortbench.runner.process import Worker
from ortbench.runner.sources import is_file

_ENDINGS = (".jpg", ".jpeg", ".png")
# In the order of their names: more would fill memory and prove no more.
MOST_IMAGES = 256
_TIMEOUT_S = 600.0


def means_images(inputs: str) -> bool:
    """Say whether `--inputs` names a folder of images, or one image."""
    return Path(inputs).is_dir() or inputs.lower().endswith(_ENDINGS)


def images_file(model: str, inputs: str) -> Path:
    """Return the .npz file with the images as the model takes them, made at the first asking.

    Args:
        model: of `--model`.
        inputs: a folder of .jpg and .png files, or one such file.

    Raises:
        InputShapeError: there is no image, one cannot be read, or the model brings no preprocessing.
    """
    if is_file(model):
        raise InputShapeError(
            f"--inputs '{inputs}' is of images, and nothing says how '{model}' wants them; give --inputs FILE.npz."
        )
    if find_model(model).preprocess is None:
        raise InputShapeError(
            f"--inputs '{inputs}' is of images, and '{model}' brings no preprocessing for them; give --inputs FILE.npz."
        )
    images = _find_images(Path(inputs))
    path = cache_root() / "inputs" / f"{model}-{_key(model, images)}.npz"
    if not path.exists():
        _make(model, images, path)
    return path


def preprocess(request: job_messages.Preprocess) -> job_messages.Preprocessed:
    """Read the images, transform them and save them under the model's first input; inside a worker.

    Raises:
        InputShapeError: one of them is no image.
    """
    from PIL import Image

    spec = find_model(request.model)
    assert spec.preprocess is not None, "checked before the worker was started"
    transform, items = spec.preprocess(), []
    for name in request.images:
        try:
            # PIL only warns of an image that takes hundreds of megabytes, and refuses one of twice that.
            with (
                warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
                Image.open(name) as image,
            ):
                items.append(transform(image.convert("RGB")).numpy())
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputShapeError(f"--inputs '{name}' is larger than any image should be: {error}") from error
        except (OSError, ValueError, SyntaxError) as error:  # what PIL raises for damaged files
            raise InputShapeError(f"--inputs '{name}' is no image that can be read: {error}") from error
    with Path(request.path).open("wb") as file:
        np.savez(file, **{spec.inputs[0].name: np.stack(items)})  # type: ignore[arg-type]  # as in serve.py
    return job_messages.Preprocessed()


def _find_images(path: Path) -> list[Path]:
    if not path.exists():
        raise InputShapeError(f"--inputs '{path}' does not exist.")
    found = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.suffix.lower() in _ENDINGS)
    if not found:
        raise InputShapeError(f"--inputs '{path}' holds no image; expected files ending in {', '.join(_ENDINGS)}.")
    return found[:MOST_IMAGES]


def _key(model: str, images: list[Path]) -> str:
    """Name the result by what it is made of: the images, the model, and the library that transforms them."""
    parts = [model, importlib.metadata.version("torchvision"), *map(file_sha256, images)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _make(model: str, images: list[Path], path: Path) -> None:
    make_cache_folder(path.parent)
    names = tuple(str(image.absolute()) for image in images)
    with (
        locked(lock_of(path), f"The file of images '{path}'", _TIMEOUT_S),
        tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as scratch,
    ):
        if path.exists():  # another process made it meanwhile
            return
        made = Path(scratch) / path.name
        try:
            with Worker("the preprocessing") as worker:
                request = job_messages.Preprocess(model=model, images=names, path=str(made))
                worker.ask(request, job_messages.Preprocessed, _TIMEOUT_S)
        except ArmError as error:
            raise InputShapeError(f"--inputs cannot be preprocessed: {error}") from error
        # Under its name only when it is whole.
        made.replace(path)
