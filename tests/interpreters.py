"""Second interpreters for tests, without a network: they see this environment's packages, but not its ortbench."""

from __future__ import annotations

import stat
import sys
import sysconfig
import venv
from pathlib import Path

_FAKE_UV = """\
#!{python}
# A fake uv: `venv` makes an environment, `pip install` lets it see the tests' packages, whatever is asked for.
import pathlib, sys, venv
words = sys.argv[1:]
if words[0] == "--version":
    print("uv 0 (fake)")
elif words[0] == "venv":
    venv.create(words[-1], symlinks=True)
elif {complaint!r}:
    sys.exit("error: " + {complaint!r})
else:
    [site] = pathlib.Path(words[words.index("--python") + 1]).parents[1].glob("lib/python*/site-packages")
    (site / "shared.pth").write_text({packages!r})
"""


def make_neighbour(folder: Path) -> Path:
    """Make a second interpreter and return its executable."""
    venv.create(folder, symlinks=True)
    (site_packages(folder) / "shared.pth").write_text(_shared_packages(), encoding="utf-8")
    return folder / "bin" / "python"


def site_packages(environment: Path) -> Path:
    """Return where an environment keeps its own packages."""
    [site] = environment.glob("lib/python*/site-packages")
    return site


def install_fake(environment: Path, name: str, version: str) -> None:
    """Let a distribution seem to be installed in that version; there is no code in it."""
    metadata = site_packages(environment) / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def write_fake_uv(folder: Path, complaint: str = "") -> Path:
    """Write a command `uv` that installs nothing, or fails with a complaint; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_command(
        folder / "uv", _FAKE_UV.format(python=sys.executable, complaint=complaint, packages=_shared_packages())
    )


def write_command(file: Path, text: str) -> Path:
    """Write an executable file."""
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def _shared_packages() -> str:
    return "\n".join(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))) + "\n"
