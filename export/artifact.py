"""An exported model on disk: `model.onnx` with its `manifest.json`, whole or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from ortbench.models.files import file_sha256
from ortbench.models.parity import Parity
from ortbench.models.spec import TensorSpec

# 1: the first.
MANIFEST_VERSION = 1
MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"


class ExportIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two exports the same: equal identities give interchangeable artifacts.

    Attributes:
        weights: `random`, `pretrained`, or `sha256:...` of a state dict's file.
        seed: of random weights; 0 otherwise.
        precision: of weights and operators, e.g. `fp32`; an artifact of one precision may serve several lanes.
        versions: of torch, torchvision, onnx and onnxscript; of onnxruntime too where it made the artifact.
        quantization: what else makes two quantised artifacts the same; empty for others.
    """

    model: str
    weights: str
    seed: int
    opset: int
    exporter: str
    precision: str
    versions: dict[str, str]
    quantization: dict[str, str] = {}

    def key(self) -> str:
        """Return a short name for this identity, fit for a folder."""
        fields = msgspec.structs.asdict(self)
        if not self.quantization:
            del fields["quantization"]  # artifacts from before there was such a thing keep their names
        return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:16]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` says of the model beside it.

    Attributes:
        sha256, size_bytes: of `model.onnx`.
        inputs, outputs: names, shapes and types, read back from the file.
        flops_per_item: floating-point operations for one item (a multiply-add counts two); None if not countable.
        parity: batch size -> agreement with eager PyTorch at export.
        digest: of all the other fields, so that a manifest that is not as it was written is found.
    """

    manifest_version: int
    identity: ExportIdentity
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    flops_per_item: int | None
    parity: dict[str, Parity]
    digest: str = ""

    def signed(self) -> Manifest:
        """Return the same with its digest."""
        return msgspec.structs.replace(self, digest=self._digest())

    def _digest(self) -> str:
        content = msgspec.json.encode(msgspec.structs.replace(self, digest=""), order="sorted")
        return hashlib.sha256(content).hexdigest()

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was written."""
        return self.digest == self._digest()


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A verified artifact.

    Attributes:
        folder: holds the model and its manifest.
        reused: it was there already.
    """

    folder: str
    manifest: Manifest
    reused: bool

    @property
    def path(self) -> Path:
        """The ONNX file."""
        return Path(self.folder) / MODEL_FILE


def read_artifact(folder: Path, identity: ExportIdentity | None = None) -> Artifact | None:
    """Return the artifact in `folder`, or None where it is missing, damaged or of another identity."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
        model = folder / MODEL_FILE
        whole = manifest.is_whole and model.stat().st_size == manifest.size_bytes
        whole = whole and file_sha256(model) == manifest.sha256
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None
    same = identity is None or manifest.identity == identity
    if not whole or not same or manifest.manifest_version != MANIFEST_VERSION:
        return None
    return Artifact(folder=str(folder), manifest=manifest, reused=True)
