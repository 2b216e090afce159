"""Images a second, memory and bytes a galaxy of `embed`, and what a broken run costs.

    python tests/benchmarks/embed.py                   # 100,000 images in a tar, zoonet
    python tests/benchmarks/embed.py --n 5000 --source folder --encoder pixels

The images are those of example_data/zoo.parquet, JPEGs of 128 x 128 pixels, repeated. Every run is
a process of its own, its start and the loading of the encoder included in the seconds; peak memory
is that of the whole process. The broken run is killed (SIGKILL) when half of its parts are there.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ZOO = Path(__file__).parents[2] / "example_data" / "zoo.parquet"


def images(n: int) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet as pq

    jpegs = pq.read_table(ZOO, columns=["image"])["image"].to_pylist()
    for row, jpeg in zip(range(n), itertools.cycle(jpegs), strict=False):
        yield f"J{row:07d}", jpeg


def write(kind: str, n: int, folder: Path) -> Path:
    """n images as a tar, a Parquet or a folder of at most 1,000 files a folder."""
    path = folder / (f"zoo{n}" if kind == "folder" else f"zoo{n}.{kind}")
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            for id_str, jpeg in images(n):
                member = tarfile.TarInfo(f"{id_str}.jpg")
                member.size = len(jpeg)
                tar.addfile(member, io.BytesIO(jpeg))
                tar.members.clear()
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("id_str", pa.string()), ("image", pa.binary())])
        with pq.ParquetWriter(path, schema) as file:
            for rows in batched(images(n), 2**16):
                columns = [list(column) for column in zip(*rows, strict=True)]
                file.write_table(pa.table(columns, schema=schema))
    else:
        for row, (id_str, jpeg) in enumerate(images(n)):
            below = path / f"{row // 1000:04d}"
            if row % 1000 == 0:
                below.mkdir(parents=True)
            (below / f"{id_str}.jpg").write_bytes(jpeg)
    return path


def batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch


def child(source: str, encoder: str, output: str, workers: int) -> None:
    """One run, as a process of its own; prints what it measured."""
    import resource

    began = time.perf_counter()
    from anomaly_zoo import embedding, encoders

    loaded = encoders.named(encoder)
    megabytes_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first: list[float] = []
    real = embedding._vectors

    def timed(*given: Any) -> Any:
        first.append(time.perf_counter() - began)
        return real(*given)

    embedding._vectors = timed
    done = embedding.embed_to(source, loaded, output, workers=workers or None)
    seconds = time.perf_counter() - began
    report = {
        "seconds": seconds,
        "to_first_batch": first[0] if first else seconds,
        "rows": done.n + done.skipped - done.reused,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "megabytes_before": megabytes_before,
        "d": done.d,
    }
    print(json.dumps(report))


def start(source: Path, arguments: argparse.Namespace, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", str(source), "--output", str(output)]
    command += ["--encoder", arguments.encoder, "--workers", str(arguments.workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(out.splitlines()[-1])


def line(what: str, value: str) -> None:
    print(f"{what:<44} {value}", flush=True)


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    from anomaly_zoo.embedding import CHUNK

    small, n = max(2, arguments.n // 10), arguments.n
    few, many = (write(arguments.source, size, folder) for size in (small, n))
    reports = {}
    for size, source in ((small, few), (n, many)):
        reports[size] = finish(start(source, arguments, folder / f"f{size}.parquet"))
        told = reports[size]
        rate = size / (told["seconds"] - told["to_first_batch"])
        line(
            f"{size:,} images in a {arguments.source}",
            f"{told['seconds']:.1f} s, {rate:.0f} a second",
        )
        line(
            "  peak memory (encoder loaded)",
            f"{told['megabytes']:.0f} MB ({told['megabytes_before']:.0f} MB)",
        )
    whole = folder / f"f{n}.parquet"
    line("bytes a galaxy of the output", f"{whole.stat().st_size / n:.0f} ({told['d']} float32)")
    began = time.perf_counter()
    idle = finish(start(many, arguments, whole))
    line("nothing left to do", f"{time.perf_counter() - began:.1f} s, {idle['rows']} rows encoded")

    broken = folder / "broken.parquet"
    process = start(many, arguments, broken)
    half = max(1, -(-n // CHUNK) // 2)
    while len(list(folder.glob("broken.parquet.parts/[0-9]*.parquet"))) < half:
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed: take a larger --n")
        time.sleep(0.005)
    process.kill()
    process.communicate()
    began = time.perf_counter()
    told = finish(start(many, arguments, broken))
    line("killed at half, then run again", f"{time.perf_counter() - began:.1f} s in all")
    line("  until the first new batch is encoded", f"{told['to_first_batch']:.1f} s")
    line("  rows encoded again", f"{told['rows']:,} of {n:,}")
    same = broken.read_bytes() == whole.read_bytes()
    line("  the same bytes as the unbroken run", "yes" if same else "NO")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000, help="how many images")
    parser.add_argument("--source", choices=["tar", "parquet", "folder"], default="tar")
    parser.add_argument("--encoder", default="zoonet")
    parser.add_argument("--workers", type=int, default=0, help="threads; 0: one a core")
    parser.add_argument("--folder", type=Path, help="where to work, by default a temporary one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.encoder, arguments.output, arguments.workers)
        return
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        measure(arguments, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
