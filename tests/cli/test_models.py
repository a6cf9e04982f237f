"""``livedream models``: what it says, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from livedream.cli.main import main
from livedream.networks.architectures.dreamnet import DreamNet


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    save_file(DreamNet().half().state_dict(), path)
    return path


def test_an_import_says_what_it_did_and_the_list_shows_it(
    weights: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "import", str(weights), "--as", "dreamnet"]) == 0
    said = capsys.readouterr().out
    assert "mine.safetensors fits dreamnet" in said
    assert f"wrote {models / 'dreamnet.safetensors'} (7 MB, sha256 " in said
    assert "livedream --network dreamnet" in said
    assert main(["models", "list", "dreamnet"]) == 0
    assert "imported   from 'mine.safetensors'" in capsys.readouterr().out
    assert main(["models", "import", str(weights), "--as", "dreamnet", "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["models"], 2, "required: WHAT; see livedream models --help"),
        (["models", "eat"], 2, "invalid choice: 'eat'"),
        (["models", "import", "a.npz"], 2, "required: --as; see livedream models import --help"),
        (["models", "import", "a.npz", "--as", "x"], 2, "unknown network 'x'; possible: dreamnet"),
        (["models", "import", "none.npz", "--as", "bvlc_googlenet"], 1, "no weights at none.npz"),
        (["models", "import", "README.md", "--as", "bvlc_googlenet"], 1, "possible: .npz, .safetensors"),
        (["models", "fetch"], 2, "required: NAME"),
        (["models", "fetch", "x"], 2, "unknown network 'x'"),
        (["models", "export", "x"], 2, "unknown network 'x'"),
        (["models", "export", "dreamnet", "--layer", "x"], 2, "'x'"),
        (["models", "export", "dreamnet", "--features", "--steps", "2"], 2, "features take no steps"),
        (["models", "export", "dreamnet", "--features", "--guide"], 2, "not allowed with argument"),
        (
            ["models", "export", "dreamnet", "--shipped"],
            2,
            "--shipped writes all graphs of a network to --out",
        ),
        (["models", "fetch", "dreamnet"], 2, "dreamnet cannot be downloaded"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: list[str], code: int, says: str, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    said = capsys.readouterr().err
    assert said.startswith("livedream: ")
    assert says in said
    assert said.count("\n") == 1
    assert not list(models.iterdir())


def test_an_export_serves_every_size_and_says_so_to_who_names_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["models", "export", "dreamnet", "--layer", "edges", "--features", "--out", str(tmp_path)]
    assert main([*words, "--size", "320x180"]) == 0
    said = capsys.readouterr()
    assert said.err == "livedream: one file serves every image size now; --size changes nothing\n"
    assert f"wrote {tmp_path / 'dreamnet-edges-features.onnx'} (0.2 MB): cosine" in said.out
    assert main(["models", "verify", str(tmp_path / "dreamnet-edges-features.onnx")]) == 0
    assert "ok      dreamnet-edges-features.onnx" in capsys.readouterr().out


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in ("list", "import", "fetch"))
