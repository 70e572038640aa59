"""The processes of one arm: one, or several instances that answer as one."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.errors import ArmError
from ortbench.runner import job_messages, protocol
from ortbench.runner.allocators import SYSTEM, Allocator
from ortbench.runner.interpreter import THIS, Interpreter
from ortbench.runner.meeting import MeetingPlace, open_meeting
from ortbench.runner.message import Message
from ortbench.runner.process import Worker
from ortbench.runner.topology import Place

_Reply = TypeVar("_Reply", bound=Message)


class Team:
    """The workers of one arm, each pinned to its own CPUs; killed together on the way out."""

    def __init__(
        self, name: str, places: Sequence[Place], interpreter: Interpreter = THIS, allocator: Allocator = SYSTEM
    ) -> None:
        """Start a process for each place.

        Args:
            name: of the arm, for messages.
            places: one for each instance.
            interpreter: what runs them.
            allocator: is preloaded.
        """
        self.name = name
        self._places = tuple(places)
        self._meeting = open_meeting(len(places)) if len(places) > 1 else None
        self._workers: list[Worker] = []
        try:
            for number, place in enumerate(places, 1):
                label = name if len(places) == 1 else f"{name} (instance {number})"
                self._workers.append(
                    Worker(label, place.cpus, place.threads, interpreter, allocator, self._meeting, place.binding)
                )
        except ArmError:
            self.kill()
            raise

    def send_load(self, engine: str, request: LoadRequest) -> None:
        """Ask every instance to load the model, with its own number of threads."""
        for index, (worker, place) in enumerate(zip(self._workers, self._places, strict=True)):
            own = msgspec.structs.replace(request, threads=place.threads)
            worker.send(protocol.Load(engine=engine, request=own, meeting=self._meeting_place(index)))

    def ask_peaks(self, array_bytes: int, timeout_s: float) -> list[job_messages.PeaksMeasured]:
        """Have every instance measure what its CPUs reach, all at the same time; `array_bytes` are of each.

        Raises:
            OrtbenchError: as `ask` does.
        """
        requests = [
            job_messages.MeasurePeaks(
                threads=place.threads, array_bytes=array_bytes, meeting=self._meeting_place(index)
            )
            for index, place in enumerate(self._places)
        ]
        return self.ask(requests, job_messages.PeaksMeasured, timeout_s)

    def ask(self, requests: Sequence[Message], reply: type[_Reply], timeout_s: float) -> list[_Reply]:
        """Send each instance its request and block until all have answered; see `Worker.ask`.

        Raises:
            OrtbenchError: one of them failed; the others may still be waiting for it, so that all must be killed.
        """
        for worker, request in zip(self._workers, requests, strict=True):
            worker.send(request)
        return self.receive(reply, timeout_s)

    def receive(self, reply: type[_Reply], timeout_s: float) -> list[_Reply]:
        """Block until every instance has answered; an answer that tells of a failure is noticed at once."""
        deadline = time.monotonic() + timeout_s
        answers: dict[int, _Reply] = {}
        waiting = list(self._workers)
        while waiting:
            worker = waiting[0] if len(waiting) == 1 else first_to_answer(waiting, deadline - time.monotonic())
            answers[worker.pid] = worker.receive(reply, deadline - time.monotonic())
            waiting.remove(worker)
        return [answers[worker.pid] for worker in self._workers]

    def park(self) -> None:
        """Stop every process; see `Worker.park`."""
        for worker in self._workers:
            worker.park()

    def wake(self) -> None:
        """Let them run again."""
        for worker in self._workers:
            worker.wake()

    def kill(self) -> None:
        """End every process at once."""
        for worker in self._workers:
            worker.kill()
        if self._meeting is not None:
            os.close(self._meeting)
            self._meeting = None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its processes, in the order of their places."""
        return tuple(self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _meeting_place(self, index: int) -> MeetingPlace | None:
        if self._meeting is None:
            return None
        return MeetingPlace(descriptor=self._meeting, index=index, instances=len(self._places))


def first_team_to_answer(teams: Sequence[Team], timeout_s: float) -> Team:
    """Block until an instance of one of the teams has a reply, or has died, and return its team."""
    owners = {worker.pid: team for team in teams for worker in team.workers}
    return owners[first_to_answer([worker for team in teams for worker in team.workers], timeout_s).pid]


def first_to_answer(workers: Sequence[Worker], timeout_s: float) -> Worker:
    """Block until one of the workers has a reply, or has died, and return it; the first of them after `timeout_s`."""
    if not hasattr(select, "poll"):
        return workers[0]  # Windows: taken in turn
    poller = select.poll()
    for worker in workers:
        poller.register(worker, select.POLLIN)
    with contextlib.suppress(InterruptedError):
        poller.poll(max(0.0, timeout_s) * 1000)
    return next((worker for worker in workers if worker.has_reply()), workers[0])
