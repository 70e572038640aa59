from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from ortbench.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DEMONSTRATIONS = ROOT / "examples" / "demonstrations"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of MkDocs fails the build."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-P", "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def parameters() -> dict[str, list[str]]:
    """Each command's options and arguments as the help spells them; the program's own under its own name."""
    group: Any = typer.main.get_command(app)
    commands = {"ortbench": group} | group.commands
    return {
        name: [word for parameter in command.params for word in parameter.opts if parameter.param_type_name == "option"]
        + [parameter.metavar for parameter in command.params if parameter.param_type_name == "argument"]
        for name, command in commands.items()
    }


def section(text: str, name: str) -> str:
    """The part of the command reference that is about one command."""
    [found] = re.findall(rf'<h2 id="{name}">.*?(?=<h2|\Z)', text, flags=re.DOTALL)
    return str(html.unescape(found))


def test_every_page_is_built(site: Path) -> None:
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"} | {"commands"}
    built = {path.parent.name for path in site.glob("*/index.html")}
    assert pages <= built
    assert (site / "index.html").exists()


def test_the_hook_is_no_page(site: Path) -> None:
    assert not list(site.rglob("hooks*"))


def test_the_site_asks_the_network_for_nothing(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]*)"', page.read_text(encoding="utf-8"))
        fetched += re.findall(r'<link[^>]*\shref="([^"]*)"', page.read_text(encoding="utf-8"))
        assert [address for address in fetched if "//" in address] == []


@pytest.mark.parametrize("command", parameters())
def test_the_command_reference_names_every_option(site: Path, command: str) -> None:
    part = section((site / "commands" / "index.html").read_text(encoding="utf-8"), command)
    for word in parameters()[command]:
        assert re.search(rf"<code>{re.escape(word)}\b", part), f"{command} lacks {word}"


def test_the_command_reference_gives_help_default_and_example(site: Path) -> None:
    part = section((site / "commands" / "index.html").read_text(encoding="utf-8"), "compare")
    assert "ortbench compare [OPTIONS]" in part
    assert "Measure engines against each other, turn by turn, and write table, charts and record." in part
    assert "<td>5m</td>" in part
    assert "ortbench compare --engines torch,ort --batch-sizes 1,16 --max-time 10m" in part


def test_every_demonstration_that_a_page_names_exists_and_every_one_is_named() -> None:
    text = (DOCS / "pitfalls.md").read_text(encoding="utf-8")
    named = set(re.findall(r"examples/demonstrations/(\w+)\.py", text))
    assert named == {path.stem for path in DEMONSTRATIONS.glob("*.py")}


def test_the_pages_show_the_engine_contract_as_it_is() -> None:
    text = (DOCS / "adding-an-engine.md").read_text(encoding="utf-8")
    shown = re.search(r"```python\n(class NullEngine.*?)```", text, flags=re.DOTALL)
    assert shown
    source = (ROOT / "engines" / "null.py").read_text(encoding="utf-8")
    plain = re.sub(r"  # noqa.*", "", source)
    assert shown[1].strip() in plain
