"""The written file computes what the network does, whoever wrote it and whoever runs it."""

import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator
from torch import nn

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.onnx.torch_exporter import exported_model
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.onnx.writer import onnx_model, quick_model, serialise, write_onnx
from nastk.deploy.runtimes.session import open_session, predict
from nastk.errors import UserError
from tests.deploy.networks import SPACES, Small, enliven, images, network, small


def assert_parity(model: onnx.ModelProto, module: nn.Module, x: torch.Tensor, tolerance: float = 1e-5) -> None:
    with torch.no_grad():
        expected = module(x)
    found = torch.from_numpy(predict(open_session(serialise(model)), x.numpy()))
    assert expected.std() > 1e-3, "logits that do not vary would prove nothing"
    assert (found - expected).abs().max() <= tolerance * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [15, 16])
@pytest.mark.parametrize("space", SPACES)
def test_random_genotypes_compute_the_same_in_onnx_runtime_as_in_torch(space: str, size: int, seed: int) -> None:
    module = network(space, seed, size=size)
    x = images(3, 3, size, size)
    assert_parity(quick_model(module, (1, 3, size, size)), module, x)


def test_the_reference_interpreter_agrees_too() -> None:
    module = network("nasnet", 1, filters=4, size=6)
    x = images(2, 3, 6, 6)
    with torch.no_grad():
        expected = module(x)
    found = ReferenceEvaluator(quick_model(module, (1, 3, 6, 6))).run(None, {"image": x.numpy()})[0]
    assert (torch.from_numpy(found) - expected).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))


def test_an_imagenet_skeleton_with_an_auxiliary_head_is_written_without_that_head() -> None:
    from nastk.networks import NetworkConfig, build_network
    from tests.deploy.networks import genotype

    config = NetworkConfig(stem="imagenet", cells=1, filters=8, size=64, auxiliary=True, drop_path=0.2)
    torch.manual_seed(0)
    module = enliven(build_network(genotype(), config))
    model = quick_model(module, (1, 3, 64, 64))
    assert not any("auxiliary" in tensor.name for tensor in model.graph.initializer)
    assert_parity(model, module, images(2, 3, 64, 64))


def test_the_file_has_the_promised_form(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(small(), path, (1, 3, 12, 12), {"key": "abc"})
    checked = validate_model(path)
    assert (checked.shape, checked.classes) == ((3, 12, 12), 4)
    model = onnx.load(path)
    assert model.opset_import[0].version >= 20
    assert {prop.key: prop.value for prop in model.metadata_props} == {"key": "abc"}
    assert model.producer_name == "nastk"
    assert list(tmp_path.iterdir()) == [path]
    session = open_session(checked.data)
    for batch in (1, 5):
        assert predict(session, images(batch, 3, 12, 12).numpy()).shape == (batch, 4)


def test_normalisation_is_folded_and_nothing_is_written_twice_or_in_vain() -> None:
    model = quick_model(network("nasnet", 2), (1, 3, 16, 16))
    nodes = model.graph.node
    assert not {"BatchNormalization", "Identity", "Dropout", "ReduceMean"} & {node.op_type for node in nodes}
    bare = [(node.op_type, tuple(node.input), [a.SerializeToString() for a in node.attribute]) for node in nodes]
    assert all(bare.index(entry) == index for index, entry in enumerate(bare))
    read = {name for node in nodes for name in node.input} | {"logits"}
    assert {name for node in nodes for name in node.output} <= read
    assert {tensor.name for tensor in model.graph.initializer} <= read


def test_equal_weights_give_equal_bytes_and_other_weights_others() -> None:
    first, again = (serialise(onnx_model(network("darts", 0), (1, 3, 16, 16))) for _ in range(2))
    assert first == again
    other = network("darts", 0)
    with torch.no_grad():
        next(other.parameters()).add_(1.0)
    assert serialise(onnx_model(other, (1, 3, 16, 16))) != first


def test_writing_leaves_the_network_as_it_was(tmp_path) -> None:
    module = small()
    module.train()
    module.stem.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    write_onnx(module, tmp_path / "model.onnx", (1, 3, 12, 12))
    assert module.training and not module.stem.training and not module.stem[1].training and module.gate.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Strange(Small):
    """Functions that the table does not know."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = F.elu(self.stem(image)) if image.shape[2] > 1 else image
        x = torch.einsum("nchw,cd->ndhw", x, torch.eye(8)).roll(1, 2)
        return self.head(torch.cat([x, x], 1).amax((2, 3)))


def test_what_the_table_does_not_know_goes_through_torchs_exporter(tmp_path) -> None:
    torch.manual_seed(0)
    module = enliven(Strange())
    with pytest.raises(UnsupportedError):
        quick_model(module, (1, 3, 12, 12))
    write_onnx(module, tmp_path / "model.onnx", (1, 3, 12, 12))
    assert validate_model(tmp_path / "model.onnx").shape == (3, 12, 12)
    assert_parity(onnx.load(tmp_path / "model.onnx"), module, images(5, 3, 12, 12))


def test_torchs_exporter_gives_a_file_of_the_same_form_and_function() -> None:
    module = small()
    model = exported_model(module, (1, 3, 12, 12), {"key": "abc"})
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["image", "logits"]
    assert "ReduceMean" not in {node.op_type for node in model.graph.node}
    assert_parity(model, module, images(5, 3, 12, 12))


class SharedInPlace(Small):
    """Overwrites a tensor that is read again."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        y = F.relu(x, inplace=True)
        return self.head(torch.cat([x, y], 1).mean((2, 3)))


def test_a_tensor_overwritten_while_others_read_it_is_not_mistaken_for_two() -> None:
    torch.manual_seed(0)
    module = enliven(SharedInPlace())
    assert_parity(onnx_model(module, (1, 3, 12, 12)), module, images(3, 3, 12, 12))


class NotOne(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.sum() > 0:
            return image
        raise ValueError("this network refuses")


def test_what_no_exporter_can_write_is_a_users_mistake(tmp_path) -> None:
    with pytest.raises(UserError, match="NotOne: cannot be written as ONNX"):
        write_onnx(NotOne(), tmp_path / "model.onnx", (1, 3, 4, 4))
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match="missing"):
        write_onnx(small(), tmp_path / "missing" / "model.onnx", (1, 3, 12, 12))
