"""What the runtime makes of the file to ship: the types it computes in, which operators it fuses and which not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.outside import as_object, number_in
from nastk.reports.final_table import FinalRow
from nastk.reports.page import card, paragraph, table
from nastk.reports.shipped import read_shipped
from nastk.reports.table_text import NONE
from nastk.runs.contents import Run
from nastk.runs.schema import Object

HEADING = "What is fused"
NOT_RECORDED = (
    "Which operators are fused was not recorded: the file was exported by an earlier version of nastk. It is where the "
    "network is exported anew, its folder in export/ moved away."
)
NOT_ONNX_RUNTIME = "Which operators are fused is not recorded for target {target}, only for ONNX Runtime's processors."
NOTE = (
    "Counted in the graph that ONNX Runtime ran after its optimisation on the exporting machine. Fused: computed with "
    "another operator, or left out where int8's own range does the same."
)
WITH_FUSION = ("cpu", "arm")


def fusion(run: Run, rows: Sequence[FinalRow]) -> str:
    """Returns the section, empty where nothing was exported.

    Args:
        run: its folder.
        rows: of the final table, the network to ship first.

    Raises:
        UserError: the manifest is not of the form that the export writes; names the field.
    """
    manifest = run.exports.get(rows[0].key) if rows else None
    if manifest is None:
        return ""
    folder = run.folder / "export" / rows[0].key
    file = read_shipped(manifest, folder).recommended_path
    targets, name = manifest.get("targets"), str(manifest.get("target") or "")
    target = targets.get(name) if isinstance(targets, Mapping) else None
    if file is None or not isinstance(target, Mapping):
        return ""
    where = f"{folder / 'manifest.json'}: target {name!r}"
    found = _object(target, "fusion", where)
    if file.name not in found:
        missing = NOT_RECORDED if _of(target, name) in WITH_FUSION else NOT_ONNX_RUNTIME.format(target=name)
        return card(HEADING, _types(target, file, where), paragraph(missing, "dim"))
    operators = _object(found, file.name, f"{where}: fusion")
    return card(
        HEADING, _types(target, file, where), *_operators(operators, f"{where}: fusion"), paragraph(NOTE, "dim small")
    )


def _of(target: Object, name: str) -> str:
    """Returns for which target the files of a remote one were written."""
    remote = target.get("remote")
    return str(remote.get("of")) if isinstance(remote, Mapping) else name


def _types(target: Object, file: Path, where: str) -> str:
    """Returns in which type the convolutions of the file run."""
    told = str(_object(target, "int8", where).get("summary") or "")
    if file.name.endswith(".int8.onnx") and told:
        return paragraph(f"{file.name}: {told}.")
    return paragraph(f"{file.name}: no convolution in int8.") if file.name == "model.onnx" else ""


def _operators(operators: Object, where: str) -> list[str]:
    """Returns the table of operators, what is not fused, and what is left between them."""
    written, run, fused, alone = (_counts(operators, name, where) for name in ("written", "run", "fused", "not_fused"))
    lines = [
        [name, *(str(counts.get(name, 0) or NONE) for counts in (written, run, fused))]
        for name in sorted({*written, *run}, key=lambda name: (-written.get(name, 0), name))
    ]
    rest = ", ".join(f"{count} {name}" for name, count in sorted(alone.items())) or "nothing that could be"
    conversions, layouts = (int(number_in(operators, name, where) or 0) for name in ("conversions", "layouts"))
    between = (
        f"Between them: {conversions} conversion{'s' * (conversions != 1)} of a tensor to int8 or back, "
        f"{layouts} change{'s' * (layouts != 1)} of a tensor's layout."
    )
    return [
        paragraph(f"Not fused, run by themselves: {rest}. {between}"),
        table(["operator", "in the file", "run", "fused"], lines),
    ]


def _counts(operators: Object, name: str, where: str) -> dict[str, int]:
    counts = _object(operators, name, where)
    return {str(operator): int(number_in(counts, operator, f"{where}: {name}") or 0) for operator in counts}


def _object(data: Object, name: str, where: str) -> dict[str, Any]:
    """Returns a field that is an object, empty where there is none."""
    value = data.get(name)
    return {} if value is None else as_object(value, f"{where}: {name}")
