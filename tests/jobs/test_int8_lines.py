"""What an export says of int8's accuracy, from the manifest alone."""

from typing import Any

from nastk.jobs.int8_lines import int8_lines


def manifest(int8: float | None, found: dict[str, Any] | None = None, *targets: str) -> dict[str, Any]:
    return {
        "precisions": {"fp32": {"accuracy": 0.9}, "int8": {"accuracy": int8}},
        "targets": {name: {} for name in targets or ("cpu",)},
        "int8": found,
    }


def decided(**fields: Any) -> dict[str, Any]:
    ranking = [
        {"node": f"n{index}", "where": f"Conv node 'n{index}'", "sqnr_db": None if index == 7 else index + 0.25}
        for index in range(8)
    ]
    known = {"images": 287, "unseen": True, "float32": 0.9, "calibrated": 0.7, "fine_tuned": None, "qat": None}
    return {**known, "weights": "calibrated", "keep_float": ["n0"], "int8": 0.89, "sensitivity": ranking, **fields}


def test_nothing_is_said_where_int8_is_good_enough_or_was_not_run() -> None:
    assert int8_lines(manifest(0.899), 0.005) == []
    assert int8_lines(manifest(None), 0.005) == []


def test_options_that_were_tried_are_not_named_again() -> None:
    (both,) = int8_lines(manifest(0.7), 0.005)
    assert "20.00 points" in both and "export.qat.epochs=3" in both and "export.sensitivity=true" in both
    one = int8_lines(manifest(0.7, decided()), 0.005)[-1]
    assert "export.qat.epochs=3" in one and "sensitivity" not in one
    tried = int8_lines(manifest(0.7, decided(qat={"epochs": 3}, fine_tuned=0.6)), 0.005)
    assert not [line for line in tried if "export." in line]


def test_the_worst_layers_and_those_kept_are_told() -> None:
    lines = int8_lines(manifest(0.9, decided()), 0.005)
    assert lines[0] == "int8, on 287 held-out training images: float32 0.9000, int8 0.7000"
    assert "Conv node 'n0' 0.2 dB, Conv node 'n1' 1.2 dB" in lines[1] and "'n5'" not in lines[1]
    assert lines[2] == "kept in float32: 1 of 8 layers, int8 then has 0.8900"


def test_targets_that_quantize_by_themselves_are_named() -> None:
    lines = int8_lines(manifest(0.9, decided(), "cpu", "executorch"), 0.005, ["executorch"])
    assert lines[-1].startswith("note: executorch quantize")
    none_kept = int8_lines(manifest(0.9, decided(keep_float=[]), "litert"), 0.005, ["litert"])
    assert not [line for line in none_kept if "note" in line]
    assert not [line for line in int8_lines(manifest(0.9, decided()), 0.005, ["litert"]) if "note" in line]
