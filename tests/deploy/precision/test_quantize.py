"""int8 files: near the float ones, int8 behind the stem, deterministic, refused on bad calibration."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.graph_index import graph_index
from nastk.deploy.onnx.writer import quick_model, serialise, write_onnx
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.fusion import int8_share
from nastk.deploy.precision.quantize import assumed_ranges, quantize_int8, quantized_model
from nastk.deploy.precision.scheme import ARM, UINT8, X86, Scheme
from nastk.deploy.runtimes.session import open_session, predict
from nastk.errors import UserError
from tests.deploy.int8 import beside_stems
from tests.deploy.networks import SPACES, Small, enliven, images, network, small


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(((found - expected) ** 2).mean()) / expected.std())


def quantized(module: nn.Module, tmp_path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits of the float32 and of the int8 file on images that were not calibrated on."""
    fp32, int8 = tmp_path / "model.onnx", tmp_path / "model.int8.onnx"
    write_onnx(module, fp32, (1, 3, size, size))
    quantize_int8(fp32, int8, images(64, 3, size, size, seed=1).numpy())
    x = images(64, 3, size, size, seed=2).numpy()
    return tuple(predict(open_session(path.read_bytes()), x) for path in (fp32, int8))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("space", SPACES)
def test_random_genotypes_run_in_int8_behind_their_stem_and_stay_near(space: str, seed: int, tmp_path) -> None:
    expected, found = quantized(network(space, seed), tmp_path, 16)
    assert relative_error(found, expected) < 0.25
    share = beside_stems(int8_share(tmp_path / "model.int8.onnx"), X86)
    assert share.in_int8 == share.convolutions > 0
    assert share.float_nodes == ()


@pytest.mark.parametrize("space", SPACES)
def test_no_two_products_of_an_x86_file_leave_16_bits(space: str) -> None:
    model = quick_model(network(space, 0), (1, 3, 16, 16))
    ranges = tensor_ranges(model, images(64, 3, 16, 16, seed=1).numpy())
    greatest: dict[str, list[int]] = {}
    for scheme in (X86, ARM):
        graph = graph_index(quantized_model(model, ranges, scheme))
        greatest[scheme.name] = []
        layers = [node for node in graph.made.values() if node.op_type in ("Conv", "Gemm")]
        for node in (node for node in layers if node.name not in graph.kept):
            weight = graph.constants[graph.source(node.input[1]).input[0]].astype(int)
            if weight.shape[1] > 1:  # a depthwise convolution is not computed in pairs
                rows = weight.reshape(len(weight), -1)
                sides = (np.sort(side.clip(min=0), axis=1)[:, -2:].sum(axis=1) for side in (rows, -rows))
                greatest[scheme.name].append(int(max(side.max() for side in sides)))
    assert 255 * max(greatest["x86"]) < 2**15 <= 255 * max(greatest["arm"])
    assert min(greatest["x86"]) >= 126  # and no bits are given away


def test_squeeze_excitation_pooling_concatenation_and_head_are_int8(tmp_path) -> None:
    expected, found = quantized(small(), tmp_path, 12)
    assert relative_error(found, expected) < 0.1
    share = beside_stems(int8_share(tmp_path / "model.int8.onnx"), X86)
    assert (share.convolutions, share.in_int8, share.float_nodes) == (3, 3, ())


def test_a_float_file_has_no_share_in_int8_and_every_node_is_named(tmp_path) -> None:
    write_onnx(small(), tmp_path / "model.onnx", (1, 3, 12, 12))
    share = int8_share(tmp_path / "model.onnx")
    assert (share.convolutions, share.in_int8) == (4, 0)
    assert {node.reason for node in share.float_nodes if node.op == "Conv"} == {"the file is float32"}


def test_what_has_no_int8_kernel_is_named_and_the_rest_is_int8(tmp_path) -> None:
    class Centred(Small):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image - 0.5)

    torch.manual_seed(0)
    module = enliven(Centred())
    expected, found = quantized(module, tmp_path, 12)
    assert relative_error(found, expected) < 0.1
    share = int8_share(tmp_path / "model.int8.onnx")
    assert share.in_int8 == share.convolutions == 4
    assert [(node.op, node.reason) for node in share.float_nodes] == [("Sub", "no int8 kernel")]
    assert share.sentence() == "4 of 4 convolutions in int8, in float 1 Sub (no int8 kernel)"


@pytest.mark.parametrize("activation", [nn.Hardswish(), nn.Hardsigmoid(), nn.SiLU()])
@pytest.mark.parametrize("scheme", [X86, UINT8, ARM], ids=lambda scheme: scheme.name)
def test_swish_and_hard_swish_run_in_int8_behind_a_float_stem_too(
    activation: nn.Module, scheme: Scheme, tmp_path
) -> None:
    torch.manual_seed(0)
    model = quick_model(enliven(nn.Sequential(nn.Conv2d(3, 3, 1), activation, Small())), (1, 3, 12, 12))
    x = images(64, 3, 12, 12, seed=2).numpy()
    ranges = tensor_ranges(model, images(64, 3, 12, 12, seed=1).numpy())
    quantized = serialise(quantized_model(model, ranges, scheme))
    expected = predict(open_session(serialise(model)), x)
    assert relative_error(predict(open_session(quantized, signed=scheme.symmetric), x), expected) < 0.05
    (tmp_path / "model.int8.onnx").write_bytes(quantized)
    share = beside_stems(int8_share(tmp_path / "model.int8.onnx", signed=scheme.symmetric), scheme)
    assert (share.in_int8, share.convolutions, share.float_nodes) == (5 - bool(scheme.float_stem), share.in_int8, ())


def test_error_is_that_of_onnx_runtimes_own_quantizer(tmp_path) -> None:
    """Of its files that are right on every x86 processor, as ours are: weights have a bit less."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self, x: np.ndarray) -> None:
            self.batches = iter([{"image": x}])

        def get_next(self):
            return next(self.batches, None)

    module = network("darts", 1)
    expected, ours = quantized(module, tmp_path, 16)
    quantize_static(
        tmp_path / "model.onnx",
        tmp_path / "theirs.onnx",
        Reader(images(64, 3, 16, 16, seed=1).numpy()),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    theirs = predict(open_session((tmp_path / "theirs.onnx").read_bytes()), images(64, 3, 16, 16, seed=2).numpy())
    assert relative_error(ours, expected) < 1.2 * relative_error(theirs, expected)


def test_the_reference_interpreter_reads_the_int8_file_alike(tmp_path) -> None:
    expected, found = quantized(small(), tmp_path, 12)
    x = images(64, 3, 12, 12, seed=2).numpy()
    reference = ReferenceEvaluator(str(tmp_path / "model.int8.onnx")).run(None, {"image": x})[0]
    assert relative_error(found, reference) < relative_error(found, expected) + 0.02 < 0.12


def test_ranges_are_the_bounds_of_the_tensors() -> None:
    model = quick_model(small(), (1, 3, 12, 12))
    x = images(70, 3, 12, 12).numpy()
    ranges = tensor_ranges(model, x)
    assert ranges["image"] == pytest.approx((x.min(), x.max()))
    logits = predict(open_session(serialise(model)), x)
    assert ranges["logits"] == pytest.approx((logits.min(), logits.max()), rel=1e-5)


def test_weights_are_int8_a_channel_and_hold_the_float_weights() -> None:
    module = small()
    model = quick_model(module, (1, 3, 12, 12))
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in quantized_model(model, assumed_ranges(model)).graph.initializer
    }
    name = next(name for name in tensors if name.startswith("depthwise") and name.endswith(".int8"))
    weight, scale = tensors[name], tensors[name.replace(".int8", ".scale")]
    assert weight.dtype == np.int8 and scale.shape == (8,)
    assert abs(weight).reshape(8, -1).max(1).tolist() == [127] * 8
    restored = weight * scale.reshape(-1, 1, 1, 1)
    assert np.abs(restored - module.depthwise.weight.detach().numpy()).max() <= scale.max() / 2 * 1.001


def test_channels_without_weight_but_with_bias_survive(tmp_path) -> None:
    module = small()
    with torch.no_grad():
        module.depthwise.weight[0] = 0
        module.depthwise.bias[0] = 3.0
        module.depthwise.weight[1] = 1e-30
        module.depthwise.bias[1] = -2.0
    expected, found = quantized(module, tmp_path, 12)
    assert relative_error(found, expected) < 0.2


def test_an_untrained_network_whose_activations_vanish_can_be_quantized(tmp_path) -> None:
    module = small()
    with torch.no_grad():
        module.stem[1].weight.fill_(1e-35)
        module.stem[1].bias.fill_(0)
    _, found = quantized(module, tmp_path, 12)
    assert np.isfinite(found).all()


def test_equal_inputs_give_equal_bytes(tmp_path) -> None:
    quantized(small(), tmp_path, 12)
    first = (tmp_path / "model.int8.onnx").read_bytes()
    quantized(small(), tmp_path, 12)
    assert (tmp_path / "model.int8.onnx").read_bytes() == first
    assert len(first) > 0


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (np.zeros((0, 3, 12, 12), np.float32), "none, expected at least one"),
        (np.zeros((4, 3, 8, 8), np.float32), r"shape \(4, 3, 8, 8\), expected \(n, 3, 12, 12\)"),
        (np.zeros((3, 12, 12), np.float32), "shape"),
        (np.full((1, 3, 12, 12), np.nan, np.float32), "NaN"),
        (np.full((1, 3, 12, 12), np.inf, np.float32), "infinite"),
        (np.zeros((4, 3, 12, 12), np.uint8), "uint8, expected an array of normalised float32"),
        ([[1.0]], "list, expected"),
    ],
)
def test_bad_calibration_is_refused_and_nothing_written(calibration, message: str, tmp_path) -> None:
    write_onnx(small(), tmp_path / "model.onnx", (1, 3, 12, 12))
    with pytest.raises(UserError, match=message):
        quantize_int8(tmp_path / "model.onnx", tmp_path / "model.int8.onnx", calibration)
    assert not (tmp_path / "model.int8.onnx").exists()


def test_a_network_that_diverges_is_refused(tmp_path) -> None:
    module = small()
    with torch.no_grad():
        module.stem[0].weight.fill_(1e30)
        module.depthwise.weight.fill_(1e30)
    write_onnx(module, tmp_path / "model.onnx", (1, 3, 12, 12))
    with pytest.raises(UserError, match="diverges"):
        quantize_int8(tmp_path / "model.onnx", tmp_path / "out.onnx", images(4, 3, 12, 12).numpy())


def test_what_is_quantized_must_be_a_model(tmp_path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x00" * 100)
    with pytest.raises(UserError, match="not an ONNX model"):
        quantize_int8(tmp_path / "model.onnx", tmp_path / "out.onnx", images(4, 3, 12, 12).numpy())
