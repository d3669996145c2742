"""`python -m nastk.predict run=... images=...`: labels and probabilities from an exported file."""

from __future__ import annotations

from nastk.cli.plain import launch_without_hydra

HEADER = """\
Classify images with an exported network, by the runtime that its file was scored by: ONNX Runtime, or OpenVINO.
The hashes of its files are checked first."""
EXAMPLES = (
    "python -m nastk.predict run=demo images=photos",
    "python -m nastk.predict model=runs/demo/export/<key> images=photos/cat.jpg precision=int8 top=3",
    "python -m nastk.predict model=runs/demo/export/<key> images=photos format=json > labels.json",
)


def main() -> None:
    """Entry point. Exits with 0, with 1 where some images could not be decoded, with 2 on a mistake."""
    from nastk.jobs.predict import PredictSettings, run_predict

    launch_without_hydra(PredictSettings, run_predict, HEADER, EXAMPLES)


if __name__ == "__main__":
    main()
