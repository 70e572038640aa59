"""Other interpreters, with real processes and no network; the uv in here is a fake that installs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ortbench.engines.environment import NEEDS, Wheels
from ortbench.engines.registry import ResolvedEngine, resolve_engines
from ortbench.errors import EngineUnavailable
from ortbench.export.cache import cache_root, environments_root, list_cache
from ortbench.runner import environments, job_messages
from ortbench.runner.available import find_available, probe_engines
from ortbench.runner.environments import environment_folder, interpreter_for, make_environment, unmade
from ortbench.runner.interpreter import THIS, Interpreter, inspect
from ortbench.runner.own_package import own_package
from ortbench.runner.process import Worker
from tests.interpreters import install_fake, make_neighbour, site_packages, write_command, write_fake_uv


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_neighbour(tmp_path_factory.mktemp("neighbour") / "environment")


@pytest.fixture
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'commands'}{os.pathsep}{os.environ['PATH']}")
    return write_fake_uv(tmp_path / "commands")


def engine(text: str) -> ResolvedEngine:
    [resolved] = resolve_engines(text)
    return resolved


def refusal(text: str) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        find_available([engine(text)], set(), pytest.fail, make=True)
    return str(caught.value)


def test_a_worker_runs_this_ortbench_in_the_other_interpreter(neighbour: Path) -> None:
    interpreter = interpreter_for(engine(f"null[python={neighbour}]"))
    assert interpreter == Interpreter(str(neighbour), str(own_package()))
    with Worker("w", interpreter=interpreter) as worker:
        worker.ask(job_messages.Probe(targets=(("null", "cpu"),)), job_messages.Probed, 60)
        assert Path(f"/proc/{worker.pid}/exe").readlink() == neighbour.resolve()
        [started] = [
            part for part in Path(f"/proc/{worker.pid}/cmdline").read_text().split("\0") if "bin/python" in part
        ]
    assert started == str(neighbour)
    code = "import ortbench.runner.serve as s, ortbench.engines.base as b; print(s.__file__, b.__file__)"
    environment = interpreter.environment(os.environ)
    words = [str(neighbour), "-P", "-c", code]
    printed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert [Path(file).parents[2] for file in printed] == [own_package()] * 2


def test_a_worker_imports_nothing_heavier_than_what_is_installed_for_it(neighbour: Path) -> None:
    interpreter = Interpreter(str(neighbour), str(own_package()), apart=True)
    code = (
        "import ortbench.runner.serve, ortbench.engines.ort, sys; print(*{name.split('.')[0] for name in sys.modules})"
    )
    words = [str(neighbour), "-P", "-c", code]
    environment = interpreter.environment(os.environ)
    printed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()
    outside = set(printed) - set(sys.stdlib_module_names) - {"__main__", "ortbench", "sitecustomize"}
    # The last comes with msgspec and onnx.
    assert outside <= {*NEEDS, "typing_extensions"}


def test_our_package_is_first_on_the_path_and_another_home_is_left_out() -> None:
    base = {"PYTHONPATH": "theirs", "PYTHONHOME": "home", "A": "b"}
    given = Interpreter("python", "ours").environment(base)
    assert given == {"PYTHONPATH": f"ours{os.pathsep}theirs", "A": "b"}
    assert Interpreter("python", "ours", apart=True).environment(base) == {"PYTHONPATH": "ours", "A": "b"}
    assert THIS.environment(base) == base


def test_our_package_is_whole_and_copied_once() -> None:
    folder = own_package()
    rooms = {path.parent.name for path in folder.glob("ortbench/*/__init__.py")}
    assert {"engines", "export", "models", "results", "runner"} <= rooms
    assert (folder / "ortbench/runner/serve.py").read_bytes() == Path(environments.__file__).with_name(
        "serve.py"
    ).read_bytes()
    made = folder.stat().st_ctime_ns
    assert own_package() == folder
    assert folder.stat().st_ctime_ns == made


def test_an_interpreter_says_what_is_installed_there(tmp_path: Path) -> None:
    python = make_neighbour(tmp_path / "environment")
    install_fake(tmp_path / "environment", "onnxscript", "99.1")
    versions = inspect(interpreter_for(engine(f"ort[python={python}]")), "e").versions()
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["onnxscript"] == "99.1"


def test_what_a_start_up_file_prints_does_no_harm(tmp_path: Path) -> None:
    python = make_neighbour(tmp_path / "environment")
    [site] = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text("print('hello')\nimport atexit\natexit.register(print, 'bye')\n")
    assert inspect(Interpreter(str(python), str(own_package())), "e").missing == ()


def test_a_relative_path_is_of_this_folder_and_a_name_is_a_command(
    neighbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(neighbour.parents[1])
    assert interpreter_for(engine("ort[python=bin/python]")).executable == str(neighbour)
    monkeypatch.setenv("PATH", str(neighbour.parent))
    assert interpreter_for(engine("ort[python=python]")).executable == str(neighbour)
    monkeypatch.setenv("HOME", str(neighbour.parents[1]))
    assert interpreter_for(engine("ort[python=~/bin/python]")).executable == str(neighbour)


def test_what_is_no_interpreter_is_refused_by_name(neighbour: Path, tmp_path: Path) -> None:
    environment = neighbour.parents[1]
    plain = tmp_path / "plain"
    plain.write_text("x", encoding="utf-8")
    script = write_command(tmp_path / "script", "#!/bin/sh\necho hello\n")
    old = write_command(
        tmp_path / "old",
        '#!/bin/sh\nshift 3\necho "$1"\'{"version": [3, 10, 2], "missing": [], "distributions": {}}\'\n',
    )
    for path, reason in {
        "no/such": " the interpreter 'no/such', which does not exist. Give the path of a Python, such as "
        "venv/bin/python.",
        str(tmp_path): f" the interpreter '{tmp_path}', which is a folder.",
        str(environment): f" the interpreter '{environment}', which is a folder. Did you mean '{neighbour}'?",
        str(plain): f" the interpreter '{plain}', which cannot be executed.",
        str(script): f" '{script}', which does not answer as a Python interpreter.",
        str(old): f" '{old}', which is Python 3.10.2; ortbench needs 3.11 or later there too.",
    }.items():
        assert refusal(f"ort[python={path}]") == f"The engine 'ort[python={path}]' asks for{reason}"


def test_what_an_interpreter_lacks_is_named_with_the_command(tmp_path: Path) -> None:
    python = make_neighbour(tmp_path / "environment")
    [packages] = (tmp_path / "environment").glob("lib/python*/site-packages/shared.pth")
    packages.unlink()
    assert refusal(f"ort[python={python}]") == (
        f"The engine 'ort[python={python}]' asks for '{python}', which lacks "
        "[msgspec, numpy, onnx, platformdirs, psutil]; ortbench needs them there. "
        f"To add them: {python} -m pip install 'msgspec>=0.20' numpy onnx 'platformdirs>=4.2' 'psutil>=6.0'."
    )


def test_an_engine_that_an_interpreter_lacks_is_to_be_installed_there(neighbour: Path, tmp_path: Path) -> None:
    python = make_neighbour(tmp_path / "environment")
    [site] = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "onnxruntime.py").write_text("raise ImportError('broken on purpose')\n", encoding="utf-8")
    kept = find_available([engine(f"ort[python={neighbour}]")], set(), pytest.fail, make=True)
    assert [found.label for found in kept.engines] == [f"ort[python={neighbour}]"]
    message = refusal(f"ort[python={python}]")
    assert "ONNX Runtime cannot be imported: broken on purpose" in message
    assert f"To add it: install it into the environment of '{python}'." in message


def test_versions_elsewhere_are_named_so(neighbour: Path) -> None:
    import importlib.metadata

    label = f"ort[python={neighbour}]"
    found = find_available([engine(label), engine("null")], set(), pytest.fail, make=True)
    assert found.versions[f"onnxruntime in {label}"] == importlib.metadata.version("onnxruntime")
    assert all(name.endswith(f" in {label}") for name in found.versions)


@pytest.mark.usefixtures("_empty_cache", "fake_uv")
def test_an_environment_is_made_once_and_listed() -> None:
    said: list[str] = []
    wanted = engine("ort[version=0.0.1]")
    folder = environment_folder(Wheels("onnxruntime", "0.0.1"))
    assert unmade(wanted) == Wheels("onnxruntime", "0.0.1")
    [answer] = probe_engines([wanted])
    assert answer.reason == ("it runs in an environment of its own, with onnxruntime==0.0.1, which is not made yet")
    for _ in range(2):
        assert find_available([wanted], set(), said.append, make=True).engines == (wanted,)
    assert said == [f"making an environment with onnxruntime==0.0.1 for ort[version=0.0.1]; it is kept in {folder}"]
    assert unmade(wanted) is None
    assert interpreter_for(wanted) == Interpreter(str(folder / "bin/python"), str(own_package()), apart=True)
    assert [path.name for path in environments_root().iterdir()] == [folder.name]
    [listed] = [entry for entry in list_cache() if entry.kind == "environment"]
    assert listed.environment is not None
    assert listed.environment.requirements[0] == "onnxruntime==0.0.1"


@pytest.mark.usefixtures("_empty_cache", "fake_uv")
def test_an_environment_whose_python_is_gone_is_made_again() -> None:
    wanted = engine("ort[version=0.0.1]")
    make_environment(wanted, lambda _: None)
    python = Path(interpreter_for(wanted).executable)
    python.unlink()
    python.symlink_to("/no/such/python")
    assert unmade(wanted)
    make_environment(wanted, lambda _: None)
    assert unmade(wanted) is None


@pytest.mark.usefixtures("_empty_cache", "fake_uv")
@pytest.mark.parametrize("change", ["changed", "added", "missing", "link", "manifest"])
def test_an_environment_that_is_not_as_it_was_made_is_made_again(change: str) -> None:
    wanted, said = engine("ort[version=0.0.1]"), list[str]()
    make_environment(wanted, said.append)
    environments._verified.clear()
    assert unmade(wanted) is None
    folder = environment_folder(Wheels("onnxruntime", "0.0.1"))
    [script] = folder.glob("bin/activate")
    content = script.read_bytes()
    if change == "changed":  # of the same size
        script.write_bytes(content[:-1] + b"#")
    elif change == "added":
        (site_packages(folder) / "evil.pth").write_text("import evil", encoding="utf-8")
    elif change == "missing":
        script.unlink()
    elif change == "link":
        script.rename(folder.parent / "elsewhere")
        script.symlink_to(folder.parent / "elsewhere")
    else:
        (folder / "environment.json").write_text('{"requirements": [], "versions": {}}', encoding="utf-8")
    environments._verified.clear()
    assert unmade(wanted)
    make_environment(wanted, said.append)
    assert f"the environment in {folder} is not as it was made" in said
    assert unmade(wanted) is None
    assert script.is_file()
    assert not script.is_symlink()
    assert not (site_packages(folder) / "evil.pth").exists()
    # Bytecode comes and goes.
    (site_packages(folder) / "__pycache__").mkdir()
    (site_packages(folder) / "__pycache__/new.pyc").touch()
    environments._verified.clear()
    assert unmade(wanted) is None


@pytest.mark.usefixtures("_empty_cache")
def test_an_environment_that_cannot_be_made_leaves_nothing(tmp_path: Path, fake_uv: Path) -> None:
    write_fake_uv(fake_uv.parent, "no such wheel,\n  you are offline")
    with pytest.raises(EngineUnavailable) as caught:
        make_environment(engine("ort[version=0.0.1]"), lambda _: None)
    version = ".".join(map(str, sys.version_info[:3]))
    assert str(caught.value) == (
        "The engine 'ort[version=0.0.1]' needs an environment with onnxruntime==0.0.1, which cannot be made: "
        f"no such wheel, you are offline. Connect to the network, choose a version that exists for Python {version}, "
        "or give an interpreter that has it: ort[python=venv/bin/python]."
    )
    assert list(environments_root().iterdir()) == []
    assert tmp_path in cache_root().parents


@pytest.mark.usefixtures("_empty_cache", "fake_uv")
def test_nothing_is_made_where_that_is_not_wanted() -> None:
    wanted = engine("ort[version=0.0.1]")
    found = find_available([wanted, engine("null")], set(), pytest.fail, make=False)
    assert [kept.label for kept in found.engines] == ["ort[version=0.0.1]", "null"]
    [line] = found.to_make
    assert line == "making   ort[version=0.0.1] runs in an environment with onnxruntime==0.0.1, to be made first"
    newest = ResolvedEngine("ort:openvino", wanted.entry, "openvino", {}, Wheels("onnxruntime-no-such-wheel"))
    found = find_available([engine("ort"), newest], {"ort"}, pytest.fail, make=True)
    assert [kept.label for kept in found.engines] == ["ort"]
    assert not environments_root().exists()


def test_the_very_version_that_is_here_runs_here() -> None:
    import importlib.metadata

    wanted = engine(f"ort[version={importlib.metadata.version('onnxruntime')}]")
    assert interpreter_for(wanted) == THIS
    assert unmade(wanted) is None


@pytest.mark.usefixtures("_empty_cache")
def test_pip_takes_uvs_place_where_uv_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_command(tmp_path / "uv", "#!/bin/sh\nexit 127\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    commands: list[list[str]] = []
    real = environments._complaint

    def note(command: list[str], folder: Path) -> str | None:
        if command[-1] == "--version":
            return real(command, folder)
        commands.append(command)
        return None if command[1:3] == ["-m", "venv"] else "stopped here"

    monkeypatch.setattr(environments, "_complaint", note)
    with pytest.raises(EngineUnavailable, match="which cannot be made: stopped here"):
        make_environment(engine("ort[version=0.0.1]"), lambda _: None)
    assert [command[1:4] for command in commands] == [["-m", "venv", commands[0][3]], ["-m", "pip", "install"]]
    assert commands[1][0] == f"{commands[0][3]}/bin/python"
    assert "onnxruntime==0.0.1" in commands[1]
