"""Where the instances of one arm meet: a few bytes of shared memory in which each says how far it is.

Waiting is spinning, since waking a sleeping process takes longer than the differences that are measured. Each instance
has CPUs of its own, so that it takes nothing from the others.
"""

from __future__ import annotations

import mmap
import os
import tempfile

import msgspec

# A cache line each, so that no instance's writing slows another's reading.
_SLOT_BYTES = 64
_WORDS = _SLOT_BYTES // 8
_ARRIVED, _DONE = 0, 1


class MeetingPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance is told.

    Attributes:
        descriptor: of the shared memory, inherited.
        index: its own place, from 0.
        instances: how many there are.
    """

    descriptor: int
    index: int
    instances: int


def open_meeting(instances: int) -> int:
    """Return the descriptor of shared memory for so many instances; whoever opened it closes it.

    It has no name, so that nothing is left behind by processes that are killed.
    """
    size = _SLOT_BYTES * instances
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("ortbench-instances")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return descriptor


class Meeting:
    """One instance's view of the shared memory."""

    def __init__(self, place: MeetingPlace) -> None:
        """Map the memory."""
        memory = mmap.mmap(place.descriptor, _SLOT_BYTES * place.instances)
        self._words = memoryview(memory).cast("q")
        self._own = place.index * _WORDS
        self._slots = range(0, place.instances * _WORDS, _WORDS)

    def wait(self) -> None:
        """Arrive, and return as soon as all the others have arrived as often."""
        words, slots = self._words, self._slots
        words[self._own + _ARRIVED] += 1
        wanted = words[self._own + _ARRIVED]
        while min(words[slot] for slot in slots) < wanted:
            pass

    def begin(self) -> None:
        """Forget what was done, and wait for the others; then all begin."""
        self._words[self._own + _DONE] = 0
        self.wait()

    def done(self, calls: int) -> None:
        """Say how many calls are done since `begin`."""
        self._words[self._own + _DONE] = calls

    def all_done(self, calls: int) -> bool:
        """Say whether every instance has done so many."""
        words = self._words
        return min(words[slot + _DONE] for slot in self._slots) >= calls
