"""A kind of genotype of one's own: two block types, a skeleton, a builder, a drawing, and nothing changed elsewhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from nastk.data.sources.digits import Digits
from nastk.deploy.onnx.writer import quick_model
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import CpuTarget
from nastk.errors import UserError
from nastk.evaluators.training import TrainingEvaluator
from nastk.genotype import Genotype
from nastk.genotype.genotype import READERS, enter_kind
from nastk.genotype.skeleton import SKELETONS, SizeName, Skeleton, enter_skeleton
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import sized_network
from nastk.jobs.transfer.sizing import Limit
from nastk.networks import NetworkConfig, build_network, count_parameters
from nastk.networks.build import BUILDERS, enter_builder
from nastk.networks.stored import load_trained, save_trained
from nastk.reports.drawings import DRAWERS, draw_genotype, enter_drawer
from nastk.spaces import Choose
from nastk.spaces.space import ask_name

BLOCKS = ("dense", "narrow")
SKELETON = Skeleton(
    "toy_rows",
    SizeName("toy_repeats", "r=", 1, 50, 1, 2, lambda stem: range(1, 6)),
    SizeName("toy_channels", "c=", 1, 500, 4, 8, lambda stem: range(2, 33, 2)),
)


@dataclasses.dataclass(frozen=True)
class ToyGenotype(Genotype):
    """A row of names."""

    kind: ClassVar[str] = "toy"

    rows: tuple[str, ...]
    skeleton: str = dataclasses.field(default="toy_rows", init=False)

    @property
    def key(self) -> str:
        return "-".join(self.rows)

    @property
    def ops(self) -> frozenset[str]:
        return frozenset(self.rows)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "rows": list(self.rows)}

    def encoding(self) -> list[float]:
        return [float(self.rows.count(name)) for name in BLOCKS]

    def terms(self, reading: str) -> dict[str, float]:
        return dict(zip(BLOCKS, self.encoding(), strict=True))

    @property
    def readings(self) -> tuple[str, ...]:
        return ("every",)

    def lines(self) -> list[str]:
        return [", ".join(self.rows)]


class ToySpace:
    """Two rows, each of one of two blocks."""

    def genotype(self, choose: Choose) -> ToyGenotype:
        return ToyGenotype(tuple(ask_name(choose, f"row/{index}", BLOCKS) for index in range(2)))


class ToyNetwork(nn.Sequential):
    """Rows, pooling, a linear layer."""

    auxiliary = None

    def set_drop_path_progress(self, fraction: float) -> None:
        """Has none."""


def build(genotype: ToyGenotype, config: NetworkConfig) -> nn.Module:
    """Builds the network; its sizes are complete."""
    width, channels, layers = int(config.sizes["toy_channels"]), config.channels, list[nn.Module]()
    for name in genotype.rows * int(config.sizes["toy_repeats"]):
        layers += [nn.Conv2d(channels, width, *((3, 1, 1) if name == "dense" else (1,))), nn.ReLU()]
        channels = width
    return ToyNetwork(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, config.classes))


@pytest.fixture
def toy() -> Iterator[ToyGenotype]:
    """Enters the kind, and takes it back."""
    enter_kind("toy", lambda data: ToyGenotype(tuple(data["rows"])))  # type: ignore[index]
    enter_skeleton(SKELETON)
    enter_builder("toy_rows", build)
    enter_drawer("toy", lambda genotype, told: {"row": f"<svg>{told}: {genotype.key}</svg>"})
    yield ToyGenotype(("dense", "narrow"))
    for table, name in ((READERS, "toy"), (SKELETONS, "toy_rows"), (BUILDERS, "toy_rows"), (DRAWERS, "toy")):
        del table[name]  # type: ignore[attr-defined]


def test_it_is_read_built_written_stored_and_drawn(toy: ToyGenotype, tmp_path: Path) -> None:
    assert Genotype.from_json(toy.to_json()) == toy
    config = NetworkConfig(toy_channels=6, size=8, channels=1, classes=3)
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    network = build_network(toy, config).eval()
    images = torch.randn(4, 1, 8, 8)
    written = open_session(quick_model(network, (1, 1, 8, 8)).SerializeToString())
    torch.testing.assert_close(Tensor(predict(written, images.numpy())), network(images), atol=1e-5, rtol=1e-4)
    facts = {"normalisation": {"mean": [0.0], "std": [1.0]}, "classes": ["a", "b", "c"], "data": {"name": "x"}}
    save_trained(tmp_path, network, config, toy, facts)
    assert load_trained(tmp_path).genotype == toy
    assert draw_genotype(toy, "best") == {"row": "<svg>best: dense-narrow</svg>"}


def test_it_is_measured_trained_and_sized_to_a_limit(toy: ToyGenotype, tmp_path: Path) -> None:
    settings = {"epochs": 1, "batch": 32, "threads": 1}
    evaluator = TrainingEvaluator(data=Digits(subset=200), network={"toy_channels": 4}, **settings)
    assert CpuTarget(seconds=0.02).cost(toy, evaluator.network_config)["params"] > 0
    assert 0 <= evaluator.evaluate(toy, lambda *_: None)["accuracy"] <= 1
    network = NetworkConfig(channels=1, size=8)
    sized = sized_network(toy, Sizing(network, (Limit("params", 9000.0, "x"),), {}, None, None), tmp_path / "net")
    with torch.device("meta"):
        params = count_parameters(build_network(toy, sized), auxiliary=False)
    assert 4500 < params <= 9000
    record = json.loads((tmp_path / "net" / "shape.json").read_text())
    assert {"toy_repeats", "toy_channels"} <= set(record)
    with pytest.raises(UserError, match="size of a network of 'toy_rows' 'filters'"):
        sized_network(toy, Sizing(NetworkConfig(filters=4), (), {}, None, None), tmp_path / "other")


def test_names_that_are_taken_are_refused(toy: ToyGenotype) -> None:
    clash = dataclasses.replace(SKELETON, name="other", width=dataclasses.replace(SKELETON.width, most=3))
    with pytest.raises(ValueError, match="'toy_channels' is a size of another skeleton"):
        enter_skeleton(clash)
    image = dataclasses.replace(SKELETON, name="other", width=dataclasses.replace(SKELETON.width, name="height"))
    with pytest.raises(ValueError, match="'height' is a field of every network"):
        enter_skeleton(image)
    assert "other" not in SKELETONS
