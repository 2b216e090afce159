"""The command `anomaly-zoo`: open the notebooks, or rank without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    help="Find your rare galaxies: look, rate a few, and rank all the others.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"anomaly-zoo: {message}", err=True)
    raise typer.Exit(code)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What goes wrong within is said in one line, without a traceback, and ends the command."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        _fail(" ".join(str(error).split()) or type(error).__name__)


def _show_version(wanted: bool) -> None:
    if wanted:
        from anomaly_zoo import __version__

        typer.echo(f"anomaly-zoo {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Find your rare galaxies: look, rate a few, and rank all the others."""


@app.command()
def lab(
    folder: Annotated[
        Path, typer.Argument(help="Where your notebooks and ratings live; created when missing.")
    ] = Path("anomaly_zoo_notebooks"),
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or only print the URL.")
    ] = True,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port; by default the first free from 8888 on."),
    ] = None,
    ip: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Copy the notebooks to FOLDER and open JupyterLab on the first one."""
    from anomaly_zoo.lab import LabError, run_lab

    try:
        raise typer.Exit(run_lab(folder, browser, port, ip))
    except LabError as error:
        _fail(str(error), error.code)


@app.command()
def rank(
    ratings: Annotated[Path, typer.Argument(help="The ratings file of a session (.db).")],
    features: Annotated[
        Path, typer.Argument(help="The representation: .parquet, .csv, .fits, .npz or .npy.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The list to write; its suffix says the format."),
    ],
    catalog: Annotated[
        Path | None, typer.Option(help="A table with the positions to export.")
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="The ids of a .npy representation, in its order.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Write only so many, most interesting first.")
    ] = None,
    id_column: Annotated[
        str, typer.Option(help="The column of the ids in both tables.")
    ] = "id_str",
    components: Annotated[int, typer.Option(min=1, help="As in the session.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="As in the session.")] = 0,
) -> None:
    """Rank all galaxies by the ratings in RATINGS and write the list, without a screen."""
    from anomaly_zoo import tables

    try:
        tables.kind(output)
    except ValueError as error:
        _fail(f"cannot write {error}", 2)
    if not output.absolute().parent.is_dir():
        _fail(f"cannot write {output}: there is no folder {output.absolute().parent}", 2)
    for file in (ratings, features, catalog, ids):
        if file is not None and not file.is_file():
            _fail(f"there is no file {file}", 2)

    import anomaly_zoo as az

    with _in_one_line():
        representation = az.Representation.read(features, ids=ids, id_column=id_column)
        table = None if catalog is None else az.Catalog.read(catalog, id_column=id_column)
        if ratings.stat().st_size == 0:
            raise ValueError(f"there are no ratings in {ratings}")
        session = az.Session(
            representation,
            table,
            ratings=ratings,
            components=components,
            seed=seed,
        )
        session.export(output, top=top)
        rated = len(session.state.rated)
    typer.echo(f"Ranked {len(representation):,} galaxies by {rated:,} rated ones: {output}")


@app.command()
def embed(
    source: Annotated[
        list[str],
        typer.Argument(
            help="A folder of images, a pattern, image files, a catalogue, a tar, an HDF5 or Zarr "
            "array, or a FITS cube.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The features to write, a .parquet file.")
    ],
    encoder: Annotated[
        str, typer.Option(help="zoonet, pixels, a .onnx file, hf_hub:owner/model or timm:name.")
    ] = "zoonet",
    cutouts: Annotated[
        str | None,
        typer.Option(help="Of a catalogue: where the images are, such as 'images/{id_str}.jpg'."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Of a catalogue: the folder of its image paths.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Of a catalogue: the column of its ids, id_str by default.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Of an array file with several: the one of the images.")
    ] = None,
    stretch: Annotated[
        str | None,
        typer.Option(help="Of survey data: asinh (the default), linear, log or zscale."),
    ] = None,
    float16: Annotated[
        bool, typer.Option("--float16", help="Write numbers of half the size.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that read images; one a core by default.")
    ] = None,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show how far it is, and how fast.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output of another run.")
    ] = False,
) -> None:
    """Turn the images of SOURCE into features; broken off at any moment, run it again."""
    from anomaly_zoo.embedding import embed_to

    try:
        with _in_one_line():
            done = embed_to(
                source,
                encoder,
                output,
                cutouts=cutouts,
                root=root,
                id_column=id_column,
                dataset=dataset,
                stretch=stretch,
                half=float16,
                workers=workers,
                progress=progress,
                overwrite=overwrite,
            )
    except KeyboardInterrupt:
        _fail(f"stopped; the same command goes on with what is in {output}.parts", 130)
    if done.reused == done.n + done.skipped:
        said = f"Nothing left to do: {done.n:,} images"
    else:
        said = f"Embedded {done.n:,} images"
    said += f", {done.d} features of {done.encoder} each"
    if done.table is not None:
        were = "was" if done.skipped == 1 else "were"
        said += f"; {done.skipped:,} {were} skipped, {done.table.name} says why"
    typer.echo(f"{said}: {output}")


@app.command()
def simulate(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The Parquet file to write (.parquet).")
    ],
    number: Annotated[int, typer.Option("-n", min=1, help="How many galaxies.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same galaxies.")] = 0,
    size: Annotated[int, typer.Option(help="Side of a picture in pixels, 32 to 512.")] = 128,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one a core.")
    ] = None,
) -> None:
    """Simulate galaxies with known truth and votes, as a table with pictures."""
    from anomaly_zoo import simulate as simulation

    with _in_one_line():
        simulation.save(output, number, seed, size=size, workers=workers)
    typer.echo(f"Simulated {number:,} galaxies: {output}")


if __name__ == "__main__":
    app()
