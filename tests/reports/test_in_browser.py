"""The page in a real browser: nothing sticks out at any width, nothing is complained of, points tell, and it prints."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nastk.reports import write_report
from nastk.runs.bench import Bench, write_bench
from nastk.runs.learning_curves import add_epoch
from nastk.runs.shown import Answers, Shown, write_shown
from tests.reports import folders
from tests.reports.test_run_report import finished

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine"),
]
WIDTHS = (420, 1280, 1700)
LONG = "a_class_whose_name_has_no_place_to_break_and_is_longer_than_any_column_has_room_for_it"
# Runs in a copy of the page, within a frame of the width that is tried: a window is never narrower than 500 pixels.
PROBE = """
addEventListener("load", () => {
  const beyond = [...document.querySelectorAll("body *")].filter(
    (one) => !one.closest(".scroll,pre,svg") && one.getBoundingClientRect().right > innerWidth + 1);
  const mark = document.querySelector("svg .tip");
  mark.dispatchEvent(new Event("pointerenter"));
  const tip = document.getElementById("tip"), at = tip.getBoundingClientRect();
  parent.postMessage({
    scrolls: document.documentElement.scrollWidth, width: innerWidth, ran: window.ran ?? null,
    beyond: beyond.map((one) => one.outerHTML.slice(0, 90)), tip: tip.querySelector("p").textContent,
    drawn: tip.querySelectorAll("svg").length, inside: at.left >= 0 && at.right <= innerWidth,
    cut: [...document.querySelectorAll("section.card")].filter(
      (one) => [...one.querySelectorAll(".scroll")].some((inner) => inner.scrollWidth > inner.clientWidth),
    ).map((one) => one.querySelector("h2").textContent),
    pictures: [...document.images].every((one) => one.complete && one.naturalWidth > 0) && document.images.length,
  }, "*");
});
"""
FRAMES = """<body><script>const found = [];
addEventListener("message", (event) => {
  found.push(event.data);
  document.body.dataset.found = JSON.stringify(found);
});
</script>%s</body>"""


def hostile(name: str) -> str:
    return f"{name}<script>window.ran=1</script>\"onerror='window.ran=2'<img src=x onerror=window.ran=3>"


def whole(folder: Path) -> Path:
    """Makes the page of a run that has everything, with names that are long or hostile."""
    run = finished(folders.write_run(folder / "run", folders.rows(40)))
    key = json.loads((run / "best.json").read_text())["key"]
    manifest = run / "export" / key / "manifest.json"
    told = json.loads(manifest.read_text())
    counts = {name: {"Conv": 12, hostile("Relu"): 9} for name in ("written", "run", "fused", "not_fused")}
    target = {**told, "fusion": {"model.int8.onnx": {**counts, "conversions": 1, "layouts": 2}}}
    own = {"warnings": [LONG * 3], "reason": hostile("why"), "target": "cpu", "targets": {"cpu": target}}
    folders.write(manifest, {**told, **own})
    folders.transfer(run, "b" * 32)
    folders.baseline(run, "b" * 32, "resnet18")
    own = {"accuracy": 0.95, "test_images": 1000, "seconds": 9.0}
    folders.write(run / "transfer" / key / "metrics.json", {"schema": 1, **own, "train_loss": 1.0})
    places = [{"key": key, "validation_accuracy": 0.95}, {"key": "b" * 32, "validation_accuracy": 0.9}]
    folders.ranking(run, places[0], {**places[1], "baseline": "resnet18"})
    folders.audit(run, hostile("audit"))
    write_bench(run, Bench([{"file": LONG, "p50_ms": 1.0, "p99_ms": 2.0}], {"processor": LONG}, {}))
    for epoch in range(1, 6):
        add_epoch(run, key, epoch, 2.0 / epoch)
    names = (LONG, hostile("owl"), *(f"class {index}" for index in range(18)))
    labels = np.arange(200) % 20
    predicted = np.where(np.arange(200) % 7 == 0, (labels + 1) % 20, labels)
    answers = Answers("model.int8.onnx", labels, predicted, np.full(200, 0.9, np.float32), 200)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3)).astype(np.uint8)
    wrong = np.flatnonzero(labels != predicted)[:24]
    ten = (10,) * 20
    write_shown(run, Shown({}, names, ten, ten, answers, pixels, wrong, pixels[:20], np.arange(20)))
    folders.write(run / "data.json", {"schema": 1, "name": LONG, "classes": 20, "size": 40, "channels": 3})
    return write_report(run)


def browse(page: Path, *words: str) -> subprocess.CompletedProcess[str]:
    usual = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=20000")
    command = [str(BROWSER), *usual, f"--user-data-dir={page.parent / 'profile'}", *words, f"file://{page}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_without_a_complaint_and_its_points_tell(tmp_path: Path, scheme: str) -> None:
    page = whole(tmp_path)
    digest = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    text = page.read_text().replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"))
    frames = "".join(
        f'<iframe src="copy.html" width="{width}" height="900" frameborder="0"></iframe>' for width in WIDTHS
    )
    outer = tmp_path / "outer.html"
    outer.write_text(FRAMES % frames)
    done = browse(outer, "--dump-dom", *["--blink-settings=preferredColorScheme=0"] * (scheme == "dark"))
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    told = re.search('data-found="([^"]*)"', done.stdout)
    assert told is not None
    found: list[dict[str, Any]] = sorted(json.loads(html.unescape(told[1])), key=lambda one: one["width"])
    assert len(found) == len(WIDTHS)
    for one, width in zip(found, WIDTHS, strict=True):
        assert one["beyond"] == []
        assert one["scrolls"] <= one["width"] <= width
        assert one["ran"] is None, "a name has run"
        assert "trial " in one["tip"] and "accuracy" in one["tip"] and one["inside"] and one["drawn"]
        assert one["pictures"] == 44
        assert width == 420 or not set(one["cut"]) & {"Networks", "Files", "What is fused"}


def test_it_prints_to_a_pdf_and_is_below_five_megabytes(tmp_path: Path) -> None:
    page = whole(tmp_path)
    browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF") and data.count(b"/Type /Page") >= 3
    assert page.stat().st_size < 5_000_000
