"""The parent's side of a worker: start it, ask it, park it, end it."""

from __future__ import annotations

import contextlib
import getpass
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from ortbench import errors
from ortbench.engines.base import CAN_PARK
from ortbench.errors import ArmError, OrtbenchError
from ortbench.runner import protocol
from ortbench.runner.allocators import SYSTEM, Allocator, preloaded
from ortbench.runner.bytecode import bytecode_folder
from ortbench.runner.interpreter import THIS, Interpreter
from ortbench.runner.message import Message

_Reply = TypeVar("_Reply", bound=Message)

# Every one of these is read by a library that some engine loads, before or while it is imported.
_THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)
_SETTLE_S = 0.02
_TAIL_CHARACTERS = 2000
# Of an answer: the longest there are, of many calls or a profile, take a few MiB.
_LONGEST_LINE = 1 << 28
# A process that died is reaped at once; this is for one that closed its pipe and lives.
_DYING_S = 10.0


def worker_environment(threads: int | None, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a worker: explicit thread counts, and compiled bytecode wherever it may be kept.

    Where Python is told to write no bytecode, importing torch takes three times as long, in every worker of
    every launch; then it is kept in ortbench's own cache, and the installation stays untouched.
    """
    environment = dict(base)
    if threads is not None:
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    if not CAN_PARK:
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        if folder := bytecode_folder():
            environment["PYTHONPYCACHEPREFIX"] = str(folder)
        else:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if not _has_name():
        # torch's compiler names its cache after the user, and fails where the system knows no name.
        environment.setdefault("USER", "ortbench")
    return environment


def _has_name() -> bool:
    """Say whether the system knows this user, which it need not in a container."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        return False
    return True


class Worker:
    """One child process. As a context manager it is killed on the way out, stopped or not."""

    def __init__(  # noqa: PLR0913 - everything that must be settled before the process starts
        self,
        name: str,
        cpus: Sequence[int] = (),
        threads: int | None = None,
        interpreter: Interpreter = THIS,
        allocator: Allocator = SYSTEM,
        meeting: int | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Start the process; it is ready for requests at once.

        Args:
            name: for messages.
            cpus: its affinity; empty for the parent's own.
            threads: what the environment tells its libraries; None to say nothing.
            interpreter: what runs it.
            allocator: is preloaded.
            meeting: descriptor of the memory in which instances meet; inherited.
            prefix: words before the command, such as those that bind its memory.
        """
        self.name = name
        words = [str(os.getpid()), ",".join(map(str, cpus))]
        try:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in kill
            self._process = subprocess.Popen(
                [*prefix, interpreter.executable, "-P", "-m", "ortbench.runner.worker", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=interpreter.environment(preloaded(worker_environment(threads), allocator)),
                start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
                bufsize=0,
                pass_fds=() if meeting is None else (meeting,),
            )
        except OSError as error:
            raise ArmError(f"{name} cannot be started: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self._replies = self._process.stdout.fileno()
        self._buffer = b""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, request: Message, reply: type[_Reply], timeout_s: float) -> _Reply:
        """Send a request and block until its reply is there.

        Raises:
            OrtbenchError: of the class that the worker names, for what it foresaw; ArmError for everything
                else: it raised, died, hung or wrote rubbish.
        """
        self.send(request)
        return self.receive(reply, timeout_s)

    def send(self, request: Message) -> None:
        """Send a request; the reply must be received before the next."""
        try:
            self._requests.write(protocol.encode(request))
        except BrokenPipeError as error:
            raise self._death() from error

    def receive(self, reply: type[_Reply], timeout_s: float) -> _Reply:
        """Block until the reply is there; see `ask`."""
        line = self._read_line(timeout_s)
        try:
            answer = protocol.decode_reply(line)
        except msgspec.MsgspecError as error:
            raise self._ended(f"{self.name} wrote something that is no reply: {line[:80]!r}") from error
        if isinstance(answer, protocol.Failed):
            raise _raised_by_worker(answer, self._tail())
        if not isinstance(answer, reply):
            raise self._ended(f"{self.name} answered {type(answer).__name__}, expected {reply.__name__}")
        return answer

    def park(self) -> None:
        """Stop the process, so that threads spinning after a call take nothing from the next arm.

        Where the system cannot stop a process, spinning is off and there is a pause instead.
        """
        if CAN_PARK:
            self._signal(signal.SIGSTOP)
        else:
            time.sleep(_SETTLE_S)

    def wake(self) -> None:
        """Let a parked process run again."""
        if CAN_PARK:
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process and everything it started, at once; harmless when it is dead already."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                self._signal(signal.SIGKILL, group=True)
            else:
                self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def has_reply(self) -> bool:
        """Say whether there is something to read, without waiting."""
        return b"\n" in self._buffer or self._wait_for_bytes(0.0)

    def fileno(self) -> int:
        """The pipe that replies come through, so that several workers can be polled at once."""
        return self._replies

    def _signal(self, number: int, *, group: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):  # it died meanwhile; the next read says so
            (os.killpg if group else os.kill)(self.pid, number)

    def _read_line(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left_s = deadline - time.monotonic()
            # One that writes for ever always has bytes to read.
            if left_s < 0 or not self._wait_for_bytes(left_s):
                raise self._ended(f"{self.name} hung: no answer within {timeout_s:.0f} s")
            if len(self._buffer) > _LONGEST_LINE:
                raise self._ended(f"{self.name} wrote {_LONGEST_LINE >> 20} MiB without an end of line")
            chunk = os.read(self._replies, 1 << 20)
            if not chunk:
                raise self._death()
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _wait_for_bytes(self, seconds: float) -> bool:
        """Sleep until there is something to read; say whether there is. The parent takes no CPU meanwhile."""
        if not hasattr(select, "poll"):
            return True  # Windows: the read itself blocks, and a hang is not noticed
        poller = select.poll()
        poller.register(self._replies, select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1000))

    def _death(self) -> ArmError:
        """Reap the process and say how it ended, with the end of what it wrote to standard error."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING_S)
        self._process.kill()  # one that closed its pipe and lives on
        code = self._process.wait()
        how = f"exited with status {code}"
        if code < 0:
            how = f"was killed by {_signal_name(-code)}"
            if -code == signal.SIGKILL:
                how += " (perhaps out of memory)"
        tail = self._tail()
        last_line = tail.splitlines()[-1] if tail else ""
        return self._ended(f"{self.name} {how}" + (f": {last_line}" if last_line else ""))

    def _ended(self, message: str) -> ArmError:
        """End the process and word why, with the end of what it wrote to standard error."""
        tail = self._tail()
        self.kill()
        return ArmError(message, stderr=tail)

    def _tail(self) -> str:
        """Return the end of what the process wrote to standard error; it shares the file's position, so none is set."""
        size = os.fstat(self._stderr.fileno()).st_size
        start = max(0, size - _TAIL_CHARACTERS)
        return os.pread(self._stderr.fileno(), _TAIL_CHARACTERS, start).decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def _raised_by_worker(answer: protocol.Failed, tail: str) -> OrtbenchError:
    kind = getattr(errors, answer.kind, ArmError)
    error: OrtbenchError = kind(answer.message)
    error.add_note(answer.trace)
    if isinstance(error, ArmError):
        error.stderr = (tail + "\n" + answer.trace).strip()[-_TAIL_CHARACTERS:]
    return error
