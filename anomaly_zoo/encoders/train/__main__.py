"""The command: see `anomaly_zoo.encoders.train`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from anomaly_zoo.encoders.train.freeze import frozen, write
from anomaly_zoo.encoders.train.galaxies import real, simulated, together
from anomaly_zoo.encoders.train.learn import Settings, train
from anomaly_zoo.encoders.train.network import Network


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m anomaly_zoo.encoders.train")
    parser.add_argument("galaxies", type=Path, help="a Parquet file: id, morphology, image")
    parser.add_argument("-o", "--output", type=Path, default=Path("zoonet.safetensors"))
    parser.add_argument("--work", type=Path, default=Path("training"), help="for checkpoints")
    parser.add_argument("--untrained", action="store_true", help="the network as it starts out")
    parser.add_argument("--no-compile", action="store_true", help="without a C++ compiler")
    for name, value in Settings()._asdict().items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    settings = Settings(*(getattr(given, name) for name in Settings._fields))
    given.work.mkdir(parents=True, exist_ok=True)
    found = real(given.galaxies)
    blind = tuple(filter(None, settings.blind.split(",")))
    galaxies = together(found, simulated(settings.simulated, settings.seed, given.work, blind))
    print(f"{len(found.images):,} real and {settings.simulated:,} simulated galaxies", flush=True)
    if given.untrained:
        torch.manual_seed(settings.seed)
        network = Network().eval()
    else:
        network = train(galaxies, settings, given.work, not given.no_compile)
    about = {"settings": settings._asdict(), "real": len(found.images), "torch": torch.__version__}
    write(
        frozen(network, galaxies.images[:: len(galaxies.images) // 10_000 + 1]), given.output, about
    )
    print(f"{given.output}: {given.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
