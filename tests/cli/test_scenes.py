"""``livedream scenes list``: every scene, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from livedream.cli.scenes import listing
from livedream.performance.scenes import Scenes

FOG = 'title = "Fog"\nfade_s = 2.0\nkey = 4\n[settings]\nlayer = "edges"\nstrength = 2.0\nmix = "luminance"\n'


def test_the_list_names_a_network_without_weights(tmp_path, models):
    (tmp_path / "a.toml").write_text('[settings]\nnetwork = "bvlc_googlenet"\n')
    assert "bvlc_googlenet has no weights on this machine; run: livedream models" in listing(Scenes(tmp_path))


def test_the_list_names_every_scene_its_key_and_its_mistakes(tmp_path):
    (tmp_path / "fog.toml").write_text(FOG)
    (tmp_path / "bad.toml").write_text("[settings]\nfog = 1\n")
    (tmp_path / "worse.toml").write_text("fog")
    (tmp_path / "moody.toml").write_text('[still]\nlayer = "hats"\n')
    text = listing(Scenes(Path(tmp_path)))
    assert f"  4  fog          Fog ({tmp_path / 'fog.toml'})" in text
    assert "fog: unknown setting" in text
    assert "scene moody: still: layer: unknown layer 'hats'" in text
    assert "worse.toml: cannot be read" in text
    assert "attract" in text
