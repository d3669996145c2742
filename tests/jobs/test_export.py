"""The export from the command line: several targets at once, and what is told of each."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli import run
from tests.deploy.digits import trained_digits


def test_one_export_for_several_targets_tells_of_each_and_says_the_licence(tmp_path: Path, capsys) -> None:
    model = trained_digits(tmp_path / "transfer" / "key")
    words = ("data=digits", "target=cpu", "export.also=[arm,tensorrt,cuda]", "export.seconds=0", "export.licence=MIT")
    ran = run(capsys, "export", f"model={model}", *words)
    assert ran.code == 0, ran.err
    out = tmp_path / "export" / "key"
    manifest = json.loads((out / "manifest.json").read_text())
    assert list(manifest["targets"]) == ["cpu", "arm", "tensorrt", "cuda"]
    for name, target in manifest["targets"].items():
        for precision, entry in target["precisions"].items():
            assert f"{name} {precision} " in ran.err and f"{entry['file']}\n" in ran.err
    assert "Weights: MIT." in (out / "MODEL_CARD.md").read_text()
