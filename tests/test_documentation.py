"""What the documentation says is what the program does."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import livedream
from livedream.cli.main import main
from livedream.performance.scenes import Scenes
from livedream.performance.state import consistent
from livedream.settings import SPECS, Settings, parse_assignment
from tests.tables import TABLES, renewed

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for folder in (".", "docs", "models", "training")
    for path in sorted((ROOT / folder).glob("*.md"))
}


@pytest.mark.parametrize("page", TABLES)
def test_a_generated_table_is_up_to_date(page):
    renew = "to renew it: python -m tests.tables"
    assert renewed(PAGES[page], TABLES[page]()) == PAGES[page], renew


def test_the_readmes_library_example_runs(monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    shown = []

    class Enough(Exception):
        pass

    def show(picture):
        shown.append(picture)
        if len(shown) == 2:
            raise Enough

    monkeypatch.setattr(livedream, "Settings", lambda **known: Settings(working_px=96, **known))
    with contextlib.suppress(Enough):
        exec(compile(code, "README.md", "exec"), {"show": show})
    assert [picture.shape[2] for picture in islice(shown, 2)] == [3, 3]


def test_the_example_of_an_exported_gradient_runs_without_livedream(monkeypatch, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "models" / "README.md").read_text(), re.S)
    assert "livedream" not in code
    assert len([line for line in code.splitlines() if line]) <= 11
    (tmp_path / "models").mkdir()
    shutil.copytree(ROOT / "models" / "graphs", tmp_path / "models" / "graphs")
    shutil.copy(ROOT / "models" / "photograph.jpg", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("range(20)", "range(3)"), "models/README.md", "exec"), {})
    before = np.asarray(Image.open("models/photograph.jpg").convert("RGB").resize((320, 180)), float)
    dreamt = np.asarray(Image.open("dream.png"), float)
    assert 2 < np.abs(dreamt - before).mean() < 10  # three steps of 2 levels


@pytest.mark.parametrize("page", PAGES)
def test_links_in_the_documentation_lead_somewhere(page):
    for file, chapter in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", PAGES[page]):
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), file
        if chapter:
            assert chapter in anchors(target.read_text("utf-8")), f"{file}#{chapter}"


def anchors(text: str) -> set[str]:
    """What a page's headings can be linked to by."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> list[str]:
    """The commands in a page's code, without the remarks beside them, two spaces away.

    In running text a command without ``uv run`` is only mentioned, perhaps without all of its words: its
    help is asked for instead.
    """
    blocks = [code for language, code in re.findall(r"```(\w*)\n(.*?)```", text, re.S) if not language]
    lines = re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines()
    found = [re.split(" {2,}", line.strip())[0] for line in lines]
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    found += re.findall(r"`((?:\w+=\S+ )?uv run [^`]+)`", prose)
    return found + [
        f"{words} --help" for words in re.findall(r"`((?:live\.py|livedream|python -m) [^`|]+)`", prose)
    ]


class Parsed(BaseException):
    """A command was understood; nothing has been done yet."""

    def __init__(self, found: argparse.Namespace) -> None:
        super().__init__(found)
        self.found = found


def parse(run: Callable[[Sequence[str]], object], words: Sequence[str]) -> argparse.Namespace | None:
    """What a command line is parsed to, without running it; None when it only prints its help."""
    really = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, args: Sequence[str] | None = None) -> argparse.Namespace:
        raise Parsed(really(self, args))

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        try:
            code = run(words)
        except Parsed as parsed:
            return parsed.found
        except SystemExit as exit:
            code = exit.code
    assert code in (0, None), f"not understood: {words}"
    assert words[0].startswith("-") or f" {words[0]} " in printed.getvalue().splitlines()[0], words
    return None


def require_meaningful(found: argparse.Namespace) -> None:
    """Raise when the settings that a mirror or a render is started with, or its scene, do not exist."""
    values = {name: value for name in SPECS if (value := getattr(found, name, None)) is not None}
    for text in getattr(found, "set", None) or ():
        if text != "NAME=VALUE":
            values |= parse_assignment(text)
    if hasattr(found, "scene"):
        consistent(Settings(**values))
        if found.scene not in (None, "NAME"):
            Scenes().named(found.scene)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_documentation_is_understood(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in commands(PAGES[page]):
        words = [word for word in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
        if words[:2] == ["uv", "run"] and "--with" not in words:
            words = [word for word in words[2:] if word != "--no-sync"]
        match words:
            case ["live.py" | "livedream", "watch", *rest] if "--help" not in rest:
                found = parse(main, rest)  # all of it is the mirror's
                assert found is not None
                require_meaningful(found)
            case ["live.py" | "livedream", *rest]:
                # Whoever reads it has a folder of his own.
                found = parse(main, ["." if word == "DIR" else word for word in rest])
                if found is not None:
                    require_meaningful(found)
            case ["python", "-m", module, *rest]:
                spec = import_module(f"{module}.__main__" if module == "training" else module)
                if module.startswith("training"):
                    parse(spec.main, rest)
            case ["pytest", *rest]:
                require_tests(rest)


def require_tests(words: list[str]) -> None:
    """Raise when a pytest command would find nothing."""
    options = dict(pairwise(words))
    for path in (word for word in words if word.startswith("tests/")):
        assert (ROOT / path).exists(), path
        if "-k" in options:
            assert re.search(rf"def test_\w*{options['-k']}", (ROOT / path).read_text("utf-8")), words
    if "-m" in options:
        assert f'"{options["-m"]}: ' in (ROOT / "pyproject.toml").read_text("utf-8"), words


def test_every_flag_in_the_documentation_exists():
    helps = io.StringIO()
    with contextlib.redirect_stdout(helps):
        for words in ([], ["render"], ["scenes"], ["doctor"], ["models"], ["bench"], ["watch"], ["service"]):
            with contextlib.suppress(SystemExit):
                main([*words, "--help"])
        for what in ("list", "import", "fetch", "export", "verify"):
            with contextlib.suppress(SystemExit):
                main(["models", what, "--help"])
        for what in ("serve", "status"):
            with contextlib.suppress(SystemExit):
                main(["room", what, "--help"])
        for module in ("training.__main__", "training.sheets", "training.evaluate", "tests.soak.__main__"):
            with contextlib.suppress(SystemExit):
                import_module(module).main(["--help"])
    known = set(re.findall(r"--[a-z][\w-]*", helps.getvalue()))
    for page, text in PAGES.items():
        if page not in ("docs/measurements.md", "install.md"):  # whose flags are also other programs'
            used = set(re.findall(r"`(--[a-z][\w-]*)[^`]*`", text))
            assert used <= known, page


def test_the_public_names():
    assert livedream.__all__ == ["Dreamer", "LivedreamError", "Settings", "open_source"]
    assert all(getattr(livedream, name) for name in livedream.__all__)
