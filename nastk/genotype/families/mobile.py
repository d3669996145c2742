"""Blocks of depthwise convolutions: depthwise separable, inverted residual and what came of it."""

from collections.abc import Mapping

from nastk.errors import UserError
from nastk.genotype.blocks import Block, Names, Number, Option, Value, Whole, act, enter, kernel, squeeze

GATES = ("sigmoid", "hardsigmoid")


def squeezed(default: float = 0.0, part: str = "hidden", inner: str = "relu") -> dict[str, Option]:
    """Returns the options of squeeze-and-excitation: ratio, of which channels, activation between, gate."""
    return {
        "se": squeeze(default),
        "se_of": Names(part, ("hidden", "input")),
        "se_act": act(inner),
        "se_gate": Names("sigmoid", GATES),
    }


IDLE_SQUEEZE: Mapping[str, tuple[Value, tuple[str, ...]]] = {"se": (0.0, ("se_of", "se_act", "se_gate"))}


def expansion(default: float) -> Number:
    """Returns the option of how many times as many channels a block has inside."""
    return Number(default, 0.25, 16.0)


def optional_kernel(default: int) -> Whole:
    """Returns the option of a depthwise kernel that is left out with 0."""
    return Whole(default, 0, 31)


def _check_universal(stride: int, options: Mapping[str, Value]) -> None:
    if stride > 1 and not options["start"] and not options["middle"]:
        raise UserError(f"stride={stride} with start=0 and middle=0, expected a depthwise convolution to stride with")


def _same_as_inverted(options: Mapping[str, Value]) -> tuple[str, Mapping[str, Value]] | None:
    if options["start"] or not options["middle"] or options["expansion"] == 1:
        return None
    shared = {name: options[name] for name in ("expansion", "act")}
    return "inverted_residual", {"kernel": options["middle"], **shared}


enter(
    Block(
        "depthwise_separable",
        "nastk.blocks.separable",
        "a depthwise and a 1x1 convolution, both with activation (MobileNetV1, PP-LCNet)",
        {"kernel": kernel(), "act": act(), **squeezed()},
        idle=IDLE_SQUEEZE,
    )
)
enter(
    Block(
        "inverted_residual",
        "nastk.blocks.inverted",
        "1x1 to more channels, depthwise, 1x1 to fewer, a skip (MobileNetV2, V3, MnasNet, EfficientNet)",
        {"kernel": kernel(), "expansion": expansion(6.0), "act": act("relu6"), **squeezed()},
        idle=IDLE_SQUEEZE,
    )
)
enter(
    Block(
        "fused_inverted_residual",
        "nastk.blocks.inverted",
        "a full convolution to more channels, 1x1 to fewer, a skip (EfficientNetV2)",
        {"kernel": kernel(), "expansion": expansion(4.0), "act": act("silu"), **squeezed()},
        idle=IDLE_SQUEEZE,
    )
)
enter(
    Block(
        "universal_inverted_bottleneck",
        "nastk.blocks.universal",
        "inverted bottleneck with a depthwise convolution before, within, both or neither (MobileNetV4)",
        {
            "start": optional_kernel(0),
            "middle": optional_kernel(3),
            "expansion": expansion(4.0),
            "act": act(),
        },
        check=_check_universal,
        same=_same_as_inverted,
    )
)
