"""Networks of timm and of a Hub on this machine: the real loading code, and one line an error.

What needs timm is skipped where timm cannot be imported; what the Hub's client says is tested
wherever huggingface_hub is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_server import hub

from anomaly_zoo.encoders import Timm, label, named

RNG = np.random.default_rng(0)
ARCHITECTURE = "convnext_atto"


def imported_timm() -> Any:
    """timm, or the test is skipped with the reason."""
    try:
        import timm
    except Exception as error:  # a torchvision that does not fit torch raises RuntimeError
        pytest.skip(f"timm cannot be imported: {error}")
    return timm


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as timm itself saves it for the Hub."""
    return saved(tmp_path_factory.mktemp("timm") / "zoo-net", ARCHITECTURE)


def saved(folder: Path, architecture: str, **options: Any) -> Path:
    import torch

    timm = imported_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model(architecture, pretrained=False, **options)
        for parameter in network.parameters():  # as drawn, biases are 0 and scales tiny
            torch.nn.init.normal_(parameter, std=0.2)
    timm.models.save_for_hf(network, folder, safe_serialization=True)
    return folder


# --- the network ---------------------------------------------------------------------------------


def test_gives_what_timm_gives_on_the_whole_image(checkpoint: Path) -> None:
    import torch
    from PIL import Image

    timm = imported_timm()
    encoder = Timm(checkpoint)
    assert (encoder.name, encoder.size, encoder.d) == ("zoo-net", 224, 320)
    network = timm.create_model(f"local-dir:{checkpoint}", pretrained=True, num_classes=0).eval()
    seen = timm.data.resolve_model_data_config(network) | {"crop_pct": 1.0}
    transform = timm.data.create_transform(**seen)
    for side in (224, 300, 60):
        image = RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = network(transform(Image.fromarray(image))[None]).numpy()
        np.testing.assert_allclose(encoder.encode(image[None]), expected, rtol=1e-4, atol=1e-5)


def test_its_head_is_left_out(tmp_path: Path) -> None:
    folder = saved(tmp_path / "n", "resnet10t", num_classes=7)
    assert Timm(folder).d == 512


def test_one_band_is_the_mean_of_three(tmp_path: Path) -> None:
    folder = saved(tmp_path / "n", "resnet10t", num_classes=0, in_chans=1)
    encoder = Timm(folder, size=64)
    image = RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    grey = (image / 255).mean(axis=3, keepdims=True)
    np.testing.assert_allclose(encoder.encode(image), encoder.encode(grey), atol=1e-4)
    five = saved(tmp_path / "five", "resnet10t", num_classes=0, in_chans=5)
    with pytest.raises(ValueError, match="takes 5 bands; an encoder here takes 1 or 3"):
        _ = Timm(five).d


def test_size_can_be_chosen(checkpoint: Path, tmp_path: Path) -> None:
    small = Timm(checkpoint, size=64)
    assert small.prepare(np.zeros((100, 90), np.uint8)).shape == (64, 64, 3)
    assert small.encode(np.zeros((1, 90, 90, 3), np.uint8)).shape == (1, 320)
    fixed = saved(tmp_path / "vit", "vit_tiny_patch16_224", num_classes=0)
    assert Timm(fixed, size=96).encode(np.zeros((1, 90, 90, 3), np.uint8)).shape == (1, 192)
    with pytest.raises(ValueError, match="does not run on pictures of 16 x 16 pixels"):
        _ = Timm(checkpoint, size=16).d


def test_version_stands_for_weights_and_preprocessing(checkpoint: Path, tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"size": 64},
        {"mean": 0.5},
        {"std": [0.2, 0.2, 0.3]},
        {"resample": "bilinear"},
    ]
    versions = [Timm(checkpoint, **said).version for said in settings]
    assert len(set(versions)) == len(versions)
    assert Timm(f"local-dir:{checkpoint}", name="x").version == versions[0]
    other = shutil.copytree(checkpoint, tmp_path / "n")
    change(other / "model.safetensors", lambda tensors: tensors.update(scaled(tensors)))
    assert Timm(other).version not in versions


def scaled(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"stem.0.weight": 2 * tensors["stem.0.weight"]}


def change(path: Path, by: Any) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    by(tensors)
    save_file(tensors, path)


def test_a_checkpoint_that_lacks_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    key = "stages.0.blocks.0.conv_dw.weight"
    folder = shutil.copytree(checkpoint, tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    config["num_classes"] = config["pretrained_cfg"]["num_classes"] = 10  # then timm is not strict
    (folder / "config.json").write_text(json.dumps(config))
    assert Timm(folder).d == 320
    change(folder / "model.safetensors", lambda tensors: tensors.pop(key))
    with pytest.raises(ValueError, match=rf"lacks 1 of its tensors, as {key}"):
        _ = Timm(folder).d


def test_a_checkpoint_that_is_broken_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    def broken(name: str, content: str) -> Timm:
        folder = shutil.copytree(checkpoint, tmp_path / name)
        (folder / ("config.json" if content else "model.safetensors")).write_text(content or "no")
        return Timm(folder)

    for name, content, message in (
        ("a", "{", "config.json of .*a is no JSON"),
        ("b", "[]", "names no architecture"),
        ("c", '{"architecture": "zoonet"}', r"Unknown model \(zoonet\)"),
        ("d", '{"architecture": "resnet10t"}', r"timm cannot load .*d: [^\n]+$"),
        ("e", "", r"e/model.safetensors cannot be read: [^\n]+$"),
    ):
        with pytest.raises(ValueError, match=message):
            _ = broken(name, content).version
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"has no config.json: it is no model of timm's"):
        _ = Timm(empty).d
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        _ = Timm(f"local-dir:{tmp_path / 'gone'}").d
    with pytest.raises(ValueError, match="std must be above 0"):
        _ = Timm(checkpoint, std=0).d


def test_pickled_weights_are_refused_with_a_remedy_that_works(
    checkpoint: Path, tmp_path: Path
) -> None:
    timm = imported_timm()
    pickled = tmp_path / "pickled"
    network = timm.create_model(f"local-dir:{checkpoint}", pretrained=True, num_classes=0)
    timm.models.save_for_hf(network, pickled, safe_serialization=False)
    with pytest.raises(ValueError, match=r"pytorch_model.bin is pickled Python.*save_for_hf") as e:
        _ = Timm(pickled).d
    remedy = str(e.value).partition("convert it once, ")[2].partition(", and give")[0]
    eval(remedy.replace("'folder'", repr(str(tmp_path / "safe"))), {"timm": timm})
    image = RNG.integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    expected = Timm(checkpoint).encode(image)
    np.testing.assert_array_equal(Timm(tmp_path / "safe").encode(image), expected)


def test_names_that_timm_does_not_know() -> None:
    imported_timm()
    with pytest.raises(ValueError, match=r"no model 'convnext_atta'; did you mean convnext_atto"):
        _ = Timm("convnext_atta").d


# --- without timm --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("weights/model.pth", "model.pth is pickled Python, which could run code: give a folder"),
        ("model.safetensors", "is the weights alone: give a folder with config.json"),
        ("owner/model", "expected hf_hub:owner/model, a name of timm's or a folder that exists"),
        ("hf_hub:", "expected hf_hub:owner/model"),
        (" ", "expected hf_hub:owner/model"),
    ],
)
def test_what_is_no_model_is_said_at_once(model: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timm(model)


@pytest.mark.parametrize("size", [7, 0, True, 64.5])
def test_a_size_that_is_none(size: Any) -> None:
    with pytest.raises(ValueError, match="size must be a whole number of pixels from 8"):
        Timm("resnet18", size=size)


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("text", ["timm:resnet18", "hf_hub:mwalmsley/zoobot-encoder-convnext_nano"])
def test_missing_extra_is_said_in_one_line(text: str) -> None:
    code = (
        "import sys; sys.modules['timm'] = None\n"
        "from anomaly_zoo.encoders import named\n"
        f"try: named({text!r})\n"
        "except ImportError as error: print(error)"
    )
    assert run(code) == "Timm runs networks of timm: pip install 'anomaly-zoo[timm]'"


def test_a_torchvision_that_does_not_fit_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator nms does not exist')")
    code = (
        "from anomaly_zoo.encoders import Timm\n"
        "try: Timm('resnet18').d\n"
        "except ImportError as error: print(error)"
    )
    said = run(code, PYTHONPATH=str(tmp_path))
    assert said.startswith("timm cannot be imported (operator nms does not exist): pip install")
    assert "\n" not in said


# --- the Hub -------------------------------------------------------------------------------------

FETCH = """
import json, os
from anomaly_zoo.encoders.hub import fetched
for repo in json.loads(os.environ["REPOS"]):
    try:
        folder = fetched(*repo.split("@", 1))
        print(json.dumps(["", {p.name: p.read_text() for p in sorted(folder.iterdir())}]))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def fetched(endpoint: str, cache: Path, *repos: str) -> list[tuple[str, Any]]:
    if find_spec("huggingface_hub") is None:
        pytest.skip("huggingface_hub is not installed")
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "REPOS": json.dumps(repos)}
    said = run(FETCH, HF_HUB_DISABLE_PROGRESS_BARS="1", HF_TOKEN="", **variables)
    return [tuple(json.loads(line)) for line in said.splitlines()]


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


def nobody() -> str:
    """An address at which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_model_is_fetched_once_and_each_refusal_is_one_line(tmp_path: Path) -> None:
    config, weights = "{}", "tensors"
    both = folder(tmp_path / "both", config__json=config, model__safetensors=weights)
    (both / "pytorch_model.bin").write_text("pickle")
    pickled = folder(tmp_path / "pickled", config__json=config, pytorch_model__bin="pickle")
    offer = folder(tmp_path / "offer", config__json=config, model__safetensors="converted")
    bare = folder(tmp_path / "bare", readme__md="")
    repos = {
        "zoo/both": {"main": both, "v1": offer},
        "zoo/pickled": {"main": pickled},
        "zoo/offered": {"main": pickled, "refs/pr/1": offer},
        "zoo/bare": {"main": bare},
    }
    asked = ["zoo/both", "zoo/both@v1", "zoo/both@v2", "zoo/offered", "zoo/offered@main"]
    asked += ["zoo/pickled", "zoo/bare", "zoo/gone", "zoo/gated", "no model"]
    with hub(repos, gated=("zoo/gated",)) as endpoint:
        said = dict(zip(asked, fetched(endpoint, tmp_path / "cache", *asked), strict=True))
    expected = {"config.json": config, "model.safetensors": weights}
    assert said["zoo/both"] == ("", expected), "the pickle was not even downloaded"
    assert said["zoo/both@v1"] == ("", expected | {"model.safetensors": "converted"})
    assert said["zoo/offered"] == ("", expected | {"model.safetensors": "converted"})
    for repo, kind, words in (
        ("zoo/both@v2", "ValueError", "zoo/both has no revision v2"),
        ("zoo/offered@main", "ValueError", "has no model.safetensors, and other weights are"),
        ("zoo/pickled", "ValueError", "create_model('hf_hub:zoo/pickled', pretrained=True"),
        ("zoo/bare", "ValueError", "zoo/bare has no config.json: it is no model of timm's"),
        ("zoo/gone", "ValueError", "no model zoo/gone, or it is private: check the name"),
        ("zoo/gated", "PermissionError", "accept its terms: do so at https://huggingface.co/zoo/"),
        ("no model", "ValueError", "expected owner/model or owner/model@revision, got 'no model'"),
    ):
        assert said[repo][0] == kind, said[repo]
        assert words in said[repo][1]
        assert "\n" not in said[repo][1]

    # Now nothing answers: what is here is used, the rest is one line.
    held, lacking = fetched(nobody(), tmp_path / "cache", "zoo/both", "zoo/new")
    assert held == ("", expected)
    assert lacking[0] == "ConnectionError"
    assert lacking[1].startswith("zoo/new is not on this machine yet, and the Hugging Face Hub")
    assert "\n" not in lacking[1]


def test_a_model_of_the_hub_is_the_same_as_from_its_folder(
    checkpoint: Path, tmp_path: Path
) -> None:
    code = (
        "import json\n"
        "from anomaly_zoo.encoders import label, named\n"
        "encoder = named('hf_hub:zoo/net')\n"
        "print(label(encoder), encoder.d)"
    )
    with hub({"zoo/net": {"main": checkpoint}}) as endpoint:
        said = run(code, HF_ENDPOINT=endpoint, HF_HOME=str(tmp_path))
    assert said == f"net {Timm(checkpoint).version} 320"
    assert label(named(f"timm:{checkpoint}")) == f"zoo-net {Timm(checkpoint).version}"
