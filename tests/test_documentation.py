"""What the documentation says is what the program does."""

from __future__ import annotations

import contextlib
import re
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

import livedream
from livedream.compile.export import export
from livedream.controls.keyboard import keys_table
from livedream.networks.graphs import GraphSpec
from livedream.settings import Settings, settings_table

ROOT = Path(__file__).resolve().parents[1]


def test_the_readmes_keys_are_the_keys():
    assert keys_table() in (ROOT / "README.md").read_text()


def test_the_table_of_settings_is_that_of_the_settings():
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text()


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
    export(GraphSpec("dreamnet", "parts", 320, 180), folder=tmp_path / "models" / "exported")
    shutil.copy(ROOT / "models" / "photograph.jpg", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("range(20)", "range(3)"), "models/README.md", "exec"), {})
    before = np.asarray(Image.open("models/photograph.jpg").convert("RGB").resize((320, 180)), float)
    dreamt = np.asarray(Image.open("dream.png"), float)
    assert 2 < np.abs(dreamt - before).mean() < 10  # three steps of 2 levels


def test_links_in_the_documentation_lead_somewhere():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/**/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_public_names():
    assert livedream.__all__ == ["Settings", "Dreamer", "LivedreamError", "open_source"]
    assert all(getattr(livedream, name) for name in livedream.__all__)
