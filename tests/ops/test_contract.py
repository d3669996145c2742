"""What every operation of the table promises, whichever file it is in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, fx, nn

from nastk.errors import UserError
from nastk.genotype.key import IDENTITY_OPS, PARAMETERLESS_OPS, ZERO_OPS
from nastk.ops import OPS, build_op, op
from nastk.spaces import KNOWN_OPS

CHANNELS = [(8, 8), (16, 9)]
STRIDES = [1, 2]

every_op = pytest.mark.parametrize("name", sorted(OPS))
every_use = pytest.mark.parametrize(
    ("channels_in", "channels_out", "stride"), [(a, b, stride) for a, b in CHANNELS for stride in STRIDES]
)


def made(name: str, channels_in: int, channels_out: int, stride: int, seed: int = 0) -> nn.Module:
    """Returns the operation with running statistics that are not the initial ones, in eval mode."""
    torch.manual_seed(seed)
    module = build_op(name, channels_in, channels_out, stride)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    return module.eval()


def images(channels: int, size: int = 8, count: int = 3) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(7))


@every_op
@every_use
@pytest.mark.parametrize("size", [8, 7, 2, 1])
def test_gives_the_channels_asked_for_and_rounds_halved_sizes_up(
    name: str, channels_in: int, channels_out: int, stride: int, size: int
) -> None:
    module = made(name, channels_in, channels_out, stride)
    side = math.ceil(size / stride)
    assert module(images(channels_in, size)).shape == (3, channels_out, side, side)
    wide = torch.randn(2, channels_in, size, size + 3)
    assert module(wide).shape == (2, channels_out, side, math.ceil((size + 3) / stride))


@every_op
@every_use
def test_gradients_reach_every_parameter_and_the_input(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride).train()
    x = images(channels_in).requires_grad_()
    y = module(x)
    (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
    assert x.grad is not None
    assert (x.grad.abs().sum() > 0) == (name not in ZERO_OPS)


@every_op
@every_use
def test_channels_last_gives_the_same_and_stays_channels_last(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride)
    x = images(channels_in)
    expected = module(x)
    found = module.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected)
    if name not in ZERO_OPS:
        assert found.is_contiguous(memory_format=torch.channels_last)


@every_op
@every_use
def test_computes_in_float64_what_it_computes_in_float32(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride)
    x = images(channels_in)
    single = module(x)
    double = module.double()(x.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-4)


@every_op
@every_use
def test_in_eval_mode_each_image_has_its_own_answer_every_time(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride)
    x = images(channels_in)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    together = module(x)
    assert torch.equal(module(x), together)
    alone = torch.cat([module(image) for image in x.split(1)])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-5)
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key]), key


@every_op
@every_use
def test_leaves_its_input_alone_so_that_others_may_read_it(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride).train()
    x = images(channels_in)
    before = x.clone()
    module(x)
    assert torch.equal(x, before)


@every_op
@every_use
def test_traces_with_fx_for_sizes_other_than_one_seen(
    name: str, channels_in: int, channels_out: int, stride: int
) -> None:
    module = made(name, channels_in, channels_out, stride)
    traced = fx.symbolic_trace(module)
    for x in (images(channels_in, 8, 3), images(channels_in, 7, 2)):
        assert torch.equal(traced(x), module(x))


@every_op
def test_works_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        module = build_op(name, 8, 12, 2)
        assert module(torch.empty(2, 8, 9, 9)).shape == (2, 12, 5, 5)


def test_parameterless_ops_are_those_that_the_canonical_key_knows() -> None:
    found = {name for name in OPS if not list(build_op(name, 8, 8, 1).parameters())}
    assert found == PARAMETERLESS_OPS | IDENTITY_OPS


def test_identity_ops_are_those_that_the_canonical_key_knows() -> None:
    x = images(8)
    assert {name for name in OPS if torch.equal(made(name, 8, 8, 1)(x), x)} == IDENTITY_OPS


def test_zero_ops_are_those_that_the_canonical_key_knows() -> None:
    for stride in STRIDES:
        found = {name for name in OPS if not made(name, 8, 12, stride)(images(8)).any()}
        assert found == ZERO_OPS


def test_strided_identity_is_a_1x1_convolution_as_the_canonical_key_takes_it() -> None:
    identity, convolution = made("identity", 8, 8, 2), made("conv_1x1", 8, 8, 2)
    identity.load_state_dict(convolution.state_dict())
    assert torch.equal(identity(images(8)), convolution(images(8)))


def test_search_spaces_know_the_operations_of_the_table_and_no_others() -> None:
    assert set(KNOWN_OPS) == set(OPS)


def test_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown op 'sep_conv_3x4'; nearest is 'sep_conv_3x3'"):
        build_op("sep_conv_3x4", 8, 8, 1)


def test_a_name_is_entered_once() -> None:
    with pytest.raises(ValueError, match="conv_1x1"):
        op("conv_1x1")(lambda channels_in, channels_out, stride: nn.Identity())


@every_op
def test_says_in_a_line_what_it_is(name: str) -> None:
    assert OPS[name].name == name
    assert OPS[name].summary.endswith((".", ","))
