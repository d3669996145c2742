"""Each emitter by itself: exact where it answers and read by TensorRT, refusing where it cannot be exact."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.onnx.writer import quick_model
from nastk.deploy.precision.half import half_model
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.quantize import assumed_ranges
from nastk.deploy.targets import TensorrtTarget
from nastk.errors import UserError
from tests.deploy.networks import enliven, images
from tests.deploy.onnx.test_writer import assert_parity


class Around(nn.Module):
    """A function of maps between two convolutions, so that it has something to work on and its result counts."""

    def __init__(self, function, channels: int = 6) -> None:
        super().__init__()
        self.function = function
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Linear(channels, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.function(self.stem(image)).mean((2, 3)))


EXACT = {
    "relu method": lambda x: x.relu(),
    "sigmoid": torch.sigmoid,
    "hard sigmoid": F.hardsigmoid,
    "hard swish": nn.Hardswish(),
    "silu": nn.SiLU(inplace=True),
    "batch normalisation alone": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(6)),
    "batch normalisation without weights": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(6, affine=False)),
    "batch normalisation of a convolution read twice": lambda x: x + F.pad(x, (0, 0)),
    "dropout": nn.Dropout(0.5),
    "functional dropout": lambda x: F.dropout(x, 0.5, training=False),
    "dilated convolution": nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3),
    "oblong convolution": nn.Conv2d(6, 6, (1, 7), stride=(1, 2), padding=(0, 3), bias=False),
    "average pooling, padding counted": nn.AvgPool2d(3, 2, 1, count_include_pad=True),
    "average pooling, padding not counted": lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "average pooling, ceil": nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False),
    "average pooling, ceil, padding counted": nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=True),
    "maximum pooling": nn.MaxPool2d(5, 2, 2),
    "maximum pooling, dilated": lambda x: F.max_pool2d(x, 3, stride=1, padding=1, dilation=2),
    "maximum pooling, ceil": nn.MaxPool2d(2, ceil_mode=True),
    "crop by negative padding": nn.ZeroPad2d((-1, 1, -2, 2)),
    "padding with a value": lambda x: F.pad(x, (1, 0, 2, 0), value=0.5),
    "slices": lambda x: x[:, :, 1::2, :-1:3],
    "sum from zero": lambda x: sum([x, x.relu(), x]),
    "scalars": lambda x: 2 * x + 1 - x * 0.5,
    "scalar first": lambda x: 1 - x,
    "expand": lambda x: x[:, :1].expand(-1, 6, -1, -1),
    "one concatenated": lambda x: torch.cat([x], 1),
    "mean kept": lambda x: x * x.mean((-1, -2), keepdim=True),
    "relu6": lambda x: F.relu6(4 * x),
    "gelu": F.gelu,
    "gelu by tanh": nn.GELU("tanh"),
    "parts of given sizes": lambda x: torch.cat(torch.split(x, [1, 3, 2], 1)[::-1], 1),
    "parts of equal size": lambda x: torch.cat(x.chunk(4, 1)[::-1], 1),
    "permutation": lambda x: x.permute(0, 1, 3, 2),
    "rows cut up": lambda x: torch.unflatten(x.flatten(1), 1, (6, 11, -1)),
    "group normalisation": nn.GroupNorm(2, 6, affine=False),
    "instance normalisation without weights": nn.InstanceNorm2d(6),
    "nearest up-sampling to a size": lambda x: F.interpolate(x, (13, 20)),
    "bilinear up-sampling to a size": lambda x: F.interpolate(x, (13, 20), mode="bilinear"),
    "bilinear up-sampling, corners aligned": nn.Upsample(scale_factor=3, mode="bilinear", align_corners=True),
    "transposed convolution": nn.ConvTranspose2d(6, 6, 3, (2, 1), 1, (1, 0), 2, bias=False),
    "pixel shuffle": nn.Sequential(nn.Conv2d(6, 24, 1), nn.PixelShuffle(2)),
    "adaptive pooling": lambda x: x * F.adaptive_avg_pool2d(x, (1, 1)),
}


NOT_OF_TENSORRT = {
    "maximum pooling, dilated": r"target tensorrt: MaxPool node '.*': dilations \[2, 2\], expected none but 1"
}


@pytest.mark.parametrize("name", EXACT)
def test_exact(name: str) -> None:
    torch.manual_seed(0)
    module = enliven(Around(EXACT[name]))
    model = quick_model(module, (1, 3, 11, 11))
    assert_parity(model, module, images(3, 3, 11, 11))
    for written in (model, half_model(model, assumed_ranges(model))):
        if name in NOT_OF_TENSORRT:
            with pytest.raises(UserError, match=NOT_OF_TENSORRT[name]):
                lint(written, TensorrtTarget())
        else:
            lint(written, TensorrtTarget())


REFUSED = {
    "ceil with padding": nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "divisor": nn.AvgPool2d(3, divisor_override=2),
    "indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "circular convolution": nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular"),
    "convolution padded by name": nn.Conv2d(6, 6, 3, padding="same"),
    "normalisation by the batch": nn.BatchNorm2d(6, track_running_stats=False),
    "dropout that never ends": lambda x: F.dropout(x, 0.5),
    "area interpolation": lambda x: F.interpolate(x, (5, 5), mode="area"),
    "interpolation by a fraction": lambda x: F.interpolate(x, scale_factor=1.5),
    "instance normalisation by running statistics": nn.InstanceNorm2d(6, track_running_stats=True),
    "parts by one size": lambda x: torch.cat(torch.split(x, 2, 1), 1),
    "adaptive maximum pooling to more": nn.AdaptiveMaxPool2d(2),
    "adaptive pooling to more": nn.AdaptiveAvgPool2d(2),
    "index by a list": lambda x: x[:, [0, 1, 2, 3, 4, 5]],
    "weighted sum": lambda x: torch.add(x, x, alpha=2),
    "linear on maps": nn.Linear(11, 11),
    "mean over channels": lambda x: x.mean((1, 2), keepdim=True).expand(-1, 6, -1, -1),
    "maps cut up": lambda x: torch.unflatten(x, 1, (2, 3)).flatten(1, 2),
    "unknown function": torch.erf,
    "control flow": lambda x: x if x.sum() > 0 else -x,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(UnsupportedError):
        quick_model(enliven(Around(REFUSED[name])), (1, 3, 11, 11))
