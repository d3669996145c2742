"""What an int8 file for x86 has in float: its stem, and nothing more unless a test says so."""

from __future__ import annotations

from nastk.deploy.precision.fusion import LAYOUTS, QUICKER, Fusion
from nastk.deploy.precision.scheme import Scheme


def beside_stems(share: Fusion, scheme: Scheme, stems: int = 1) -> Fusion:
    """Returns what is left without the stems, each of which has to compute in float where the scheme has it so."""
    found = [node for node in share.float_nodes if node.reason == QUICKER]
    wanted = stems if scheme.float_stem else 0
    assert [node.op.removeprefix("Fused") for node in found] == ["Conv"] * wanted, share.sentence()
    others = (node for node in share.float_nodes if node not in found)
    # ONNX Runtime hands their results on in another layout.
    rest = tuple(node for node in others if not wanted or node.op not in LAYOUTS)
    return Fusion(share.convolutions - wanted, share.in_int8, share.conversions, rest)
