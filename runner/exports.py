"""Every ONNX file that a study needs: found in the cache, or made, the first while the reference is loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from ortbench.export.artifact import Artifact
from ortbench.export.exporter import ExportRequest, find_export, who_exports
from ortbench.runner.jobs import ExportJob


class Exports:
    """Exports one after the other, since each uses every CPU."""

    def __init__(self, requests: Sequence[ExportRequest], say: Callable[[str], None], limit_s: float) -> None:
        """Find what is there, and start the first that is not.

        Args:
            requests: one for each precision.
            say: is told what is made, and where it lies.
            limit_s: how long each may take.
        """
        self._say, self._limit_s = say, limit_s
        self._found = [(request, find_export(request)) for request in requests]
        missing = next((request for request, artifact in self._found if artifact is None), None)
        self._job = self._start(missing) if missing else None

    @property
    def under_way(self) -> bool:
        """Whether anything had to be made."""
        return self._job is not None

    def results(self) -> list[Artifact]:
        """Wait for all of them, in the order of the requests.

        Raises:
            ExportError, ModelError: one cannot be made.
        """
        return [artifact or self._finish(request) for request, artifact in self._found]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._job is not None:
            self._job.__exit__(kind, error, trace)

    def _start(self, request: ExportRequest) -> ExportJob:
        how = "" if request.precision == "fp32" else f" in {request.precision}"
        if other := who_exports(request):
            self._say(f"waiting for {other}, which is making the same")
        else:
            self._say(f"exporting {request.source.name} to ONNX{how}")
        return ExportJob(request, self._limit_s)

    def _finish(self, request: ExportRequest) -> Artifact:
        if self._job is None:
            self._job = self._start(request)
        with self._job as job:
            artifact = job.result()
        self._job = None
        self._say(f"{'found' if artifact.reused else 'exported to'} {artifact.path}")
        return artifact
