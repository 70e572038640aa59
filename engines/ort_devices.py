"""Plugin execution providers: register a library with ONNX Runtime, list the devices it offers, choose one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ortbench.engines.base import OptionValue
from ortbench.errors import ArmError, EngineUnavailable

_TIMEOUT_S = 60.0
_REGISTERED_AS = "ortbench"


class EpDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device that a provider offers, as ONNX Runtime lists it.

    Attributes:
        ep: the provider's name.
        vendor: of the provider.
        kind: `CPU`, `GPU` or `NPU`.
        hardware: the device's vendor.
        metadata: of provider and device, e.g. the provider's version.
    """

    ep: str
    vendor: str = ""
    kind: str = ""
    hardware: str = ""
    metadata: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{self.ep} on {self.kind}" + (f" ({self.hardware})" if self.hardware else "")


def choose_device(before: Sequence[EpDevice], after: Sequence[EpDevice], ep: str | None, index: int) -> int:
    """Return the place in `after` of the device asked for.

    Args:
        before: what was offered before the library was registered.
        after: what is offered now.
        ep: the provider's name; None where the library has only one.
        index: which of that provider's devices.

    Raises:
        ArmError: the library offers no such device; the message says what it does offer.
    """
    own = [place for place, device in enumerate(after) if device not in before]
    offered = ", ".join(str(after[place]) for place in own) or "none"
    if not own:
        raise ArmError(
            "ONNX Runtime took the library, but the execution provider offers no device on this machine; "
            f"there are only: {', '.join(map(str, after)) or 'none'}"
        )
    names = list(dict.fromkeys(after[place].ep for place in own))
    if ep is None and len(names) > 1:
        raise ArmError(
            f"the library has several execution providers; say which with ep=NAME, one of: {', '.join(names)}"
        )
    matching = [place for place in own if after[place].ep == (ep or names[0])]
    if index >= len(matching):
        raise ArmError(f"there is no device {index} of {ep or names[0]}; the library offers: {offered}")
    return matching[index]


def register_and_choose(options: Mapping[str, OptionValue]) -> tuple[Any, EpDevice]:
    """Register the library and return ONNX Runtime's handle of the device asked for, and what it is.

    Raises:
        ArmError: the library cannot be registered, or offers no such device.
    """
    before, handles = _register(str(options["library"]))
    after = describe_devices(handles)
    ep = options.get("ep")
    place = choose_device(before, after, None if ep is None else str(ep), int(options.get("device", 0)))
    return handles[place], after[place]


def list_devices(library: str) -> dict[str, Any]:
    """Register a library in a process of its own, and return its devices and those that are there without it.

    Raises:
        EngineUnavailable: it cannot be registered; the message says why.
    """
    command = [sys.executable, "-P", "-m", "ortbench.engines.ort_devices", library]
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    try:
        answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    except msgspec.DecodeError:
        end = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EngineUnavailable(f"The library '{library}' ended the process: {' '.join(end)}") from None
    if "error" in answer:
        raise EngineUnavailable(f"The library cannot be used: {answer['error']}.")
    return answer


def _register(library: str) -> tuple[tuple[EpDevice, ...], Sequence[Any]]:
    """Return the devices that were there before, and ONNX Runtime's handles of all that are there now."""
    import onnxruntime

    if not Path(library).is_file():
        raise ArmError(f"there is no execution provider library at '{library}'")
    before = describe_devices(onnxruntime.get_ep_devices())
    try:
        onnxruntime.register_execution_provider_library(_REGISTERED_AS, library)
    except Exception as error:
        raise ArmError(f"ONNX Runtime cannot register '{library}': {error}") from error
    return before, onnxruntime.get_ep_devices()


def describe_devices(handles: Sequence[Any]) -> tuple[EpDevice, ...]:
    """Return ONNX Runtime's devices as plain data."""
    return tuple(
        EpDevice(
            ep=str(handle.ep_name),
            vendor=str(handle.ep_vendor),
            kind=str(handle.device.type).rpartition(".")[2],
            hardware=str(handle.device.vendor),
            metadata={**handle.ep_metadata, **handle.device.metadata},
        )
        for handle in handles
    )


def _answer(library: str) -> dict[str, Any]:
    try:
        before, handles = _register(library)
    except ArmError as error:
        return {"error": str(error)}
    own = [device for device in describe_devices(handles) if device not in before]
    return {"devices": msgspec.to_builtins(own), "others": msgspec.to_builtins(before)}


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_answer(sys.argv[1])))
