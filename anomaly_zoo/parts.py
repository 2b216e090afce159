"""A long run kept in finished parts beside its output: broken off at any moment, it goes on."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anomaly_zoo import tables
from anomaly_zoo.representation import BATCH, feature_writer

__all__ = ["Part", "Parts", "Skipped", "alone", "skipped_table"]

# What a run is known by, in the words of an error message.
WORDS = {
    "encoder": "encoder",
    "source": "source",
    "kind": "kind of source",
    "rows": "number of images",
    "numbers": "type of numbers",
    "identity": "content of the source, or how it is read (ids, stretch)",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_OURS = re.compile(r"\d{6,}\.parquet|run\.json|merged\.(parquet|csv)|\.[0-9a-f]{12}-.+")


class Skipped(NamedTuple):
    """An object that has no features, and why."""

    id_str: str
    where: str
    reason: str


class Part(NamedTuple):
    """What came out of some rows of the source: ids (k,), X (k, d), and who was skipped."""

    ids: np.ndarray
    X: np.ndarray
    skipped: list[Skipped]


def skipped_table(output: Path) -> Path:
    """Where the objects without features are listed.

    >>> skipped_table(Path("features.parquet")).name
    'features.skipped.csv'
    """
    return output.with_suffix(".skipped.csv")


@dataclass(frozen=True)
class Parts:
    """The parts of one run, in the folder ``features.parquet.parts`` beside ``features.parquet``.

    `run` says what decides the result; it is in the folder, in every part and in the output, and
    another run is never mixed in. Each part is written whole or not at all. `sizes` are the rows
    of the source that each part answers for.
    """

    output: Path
    run: dict[str, Any]
    sizes: list[int]
    d: int
    half: bool

    @property
    def folder(self) -> Path:
        return self.output.with_name(self.output.name + ".parts")

    @cached_property
    def text(self) -> str:
        """The run as one line."""
        return json.dumps(self.run, ensure_ascii=False, sort_keys=True)

    def complete(self, overwrite: bool) -> int | None:
        """How many objects were skipped in the output, if it is there, whole and of this run.

        None where there is no output, or one to replace. Raises FileExistsError for one of
        another run, and for a file of something else.
        """
        if not self.output.exists() or overwrite:
            return None
        try:
            found = tables.metadata(self.output)
            there = json.loads(found.get("run", ""))
        except (ValueError, OSError):
            raise FileExistsError(
                f"{self.output.name} exists and was not made by embed; choose another name, or "
                "replace it with overwrite=True (--overwrite)"
            ) from None
        if there != self.run:
            raise FileExistsError(
                f"{self.output.name} exists and is of another run: {self._difference(there)}; "
                "choose another name, or replace it with overwrite=True (--overwrite)"
            )
        return int(found.get("n_skipped", 0))

    def begin(self, overwrite: bool) -> None:
        """Make the folder, or go on with that of this run.

        Raises FileExistsError for one of another run, unless that is to be replaced, and OSError
        where nothing can be written.
        """
        with self._writing():
            self.folder.mkdir(exist_ok=True)
            for name in self._own_files():
                if name.startswith((".", "merged.")):  # a file that was not finished
                    (self.folder / name).unlink(missing_ok=True)
        about = self.folder / "run.json"
        try:
            there = json.loads(about.read_text(encoding="utf-8"))
        except FileNotFoundError:
            there = None if not any(n.endswith(".parquet") for n in self._own_files()) else {}
        except (ValueError, OSError):
            there = {}
        if there is not None and there != self.run:
            if not overwrite:
                raise FileExistsError(
                    f"{self.folder.name} holds the parts of another run that was broken off: "
                    f"{self._difference(there)}; finish that one first, choose another name, or "
                    "begin anew with overwrite=True (--overwrite)"
                )
            self.discard()
            there = None
        if there is None:
            with self._writing():
                self.folder.mkdir(exist_ok=True)
                with tables.replacing(about) as beside:
                    beside.write_text(self.text + "\n", encoding="utf-8")

    def finished(self) -> dict[int, int]:
        """The parts that are there and whole, and how many objects each has skipped."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found: dict[int, int] = {}
        for number, size in enumerate(self.sizes):
            try:
                with pq.ParquetFile(self._path(number)) as file:
                    about, rows = file.schema_arrow.metadata or {}, file.metadata.num_rows
                skipped = len(json.loads(about[b"skipped"]))
                if about[b"run"].decode() == self.text and rows + skipped == size:
                    found[number] = skipped
            except (OSError, ValueError, KeyError, pa.ArrowException):
                continue  # made again
        return found

    def add(self, number: int, part: Part) -> None:
        """Write one part; raises OSError where the disk refuses, with what to do."""
        about = {"run": self.text, "skipped": json.dumps(part.skipped)}
        with self._writing(), tables.replacing(self._path(number)) as beside:
            with feature_writer(beside, self.d, about, self.half) as add:
                add(part.ids, part.X)
            with open(beside, "rb") as file:
                os.fsync(file.fileno())

    def merge(self, metadata: dict[str, str]) -> None:
        """Join all parts to the output and the table of those skipped, one part at a time.

        Raises OSError where the disk refuses or a part was damaged since; then it is made again
        by the next run.
        """
        merged, listed = self.folder / "merged.parquet", self.folder / "merged.csv"
        skipped = 0
        about = {**metadata, "n_skipped": str(sum(self.finished().values())), "run": self.text}
        with self._writing():
            with (
                feature_writer(merged, self.d, about, self.half) as add,
                open(listed, "w", encoding="utf-8", newline="") as file,
            ):
                table = csv.writer(file, lineterminator="\n")
                table.writerow(Skipped._fields)
                waiting: list[Part] = []
                for number in range(len(self.sizes)):
                    part = self._read(number)
                    table.writerows(part.skipped)
                    skipped += len(part.skipped)
                    waiting.append(part)
                    if sum(len(part.ids) for part in waiting) >= BATCH:
                        add(*_joined(waiting))
                        waiting.clear()
                if any(len(part.ids) for part in waiting):
                    add(*_joined(waiting))
            if skipped:
                os.replace(listed, skipped_table(self.output))
            else:
                skipped_table(self.output).unlink(missing_ok=True)
            with open(merged, "rb") as data:
                os.fsync(data.fileno())
            os.replace(merged, self.output)
        self.discard()

    def discard(self) -> None:
        """Remove the parts; what is in the folder and none of ours stays."""
        for name in self._own_files():
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def reasons(self, n: int) -> list[Skipped]:
        """The first n that were skipped."""
        found: list[Skipped] = []
        for number in range(len(self.sizes)):
            found += self._read(number).skipped
            if len(found) >= n:
                break
        return found[:n]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"

    def _own_files(self) -> list[str]:
        with suppress(FileNotFoundError):
            # run.json goes last: without it nobody knows what the parts are.
            names = [name for name in os.listdir(self.folder) if _OURS.fullmatch(name)]
            return sorted(names, key=lambda name: (name == "run.json", name))
        return []

    def _read(self, number: int) -> Part:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._path(number)
        try:
            with pq.ParquetFile(path) as file:
                table, kept = file.read(), file.schema_arrow.metadata
            X = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            ids = table["id_str"].to_numpy()
            skipped = [Skipped(*row) for row in json.loads(kept[b"skipped"])]
            return Part(ids, X.reshape(len(ids), self.d), skipped)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            path.unlink(missing_ok=True)
            about = " ".join(str(error).split())
            raise OSError(
                f"a finished part, {path.name}, was damaged since ({about}); run the same again "
                "and only this one is made anew"
            ) from None

    def _difference(self, there: Any) -> str:
        if not isinstance(there, dict) or "encoder" not in there:
            return "what it was made of is not known"
        said = []
        for key, word in WORDS.items():
            old, new = there.get(key), self.run.get(key)
            if old != new and key != "identity":
                said.append(f"its {word} is {old!r}, that of this run {new!r}")
        if not said and there.get("identity") != self.run.get("identity"):
            said.append(f"the {WORDS['identity']} has changed since")
        return "; ".join(said) or "it was made by another version of anomaly_zoo"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """An OSError of the disk with what it means here, and what is kept."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                what, do = "the disk is full", "free some space"
            elif error.errno in _CLOSED:
                what, do = "writing is not allowed there", "allow it or choose another folder"
            elif error.errno is None:
                raise
            else:
                what, do = os.strerror(error.errno), "mend that"
            kept = len(self.finished())
            raise OSError(
                f"cannot write {self.output}: {what}; {do} and run the same again"
                + (f", the {kept:,} finished parts are kept" if kept else "")
            ) from error


def _joined(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([p.ids for p in parts]), np.concatenate([p.X for p in parts])


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Hold `output` for this process: a second one that wants it gets a BlockingIOError.

    The lock is the system's, on the file ``.features.parquet.lock``, and ends with the process
    however that ends. Raises OSError where the file cannot be made.
    """
    path = output.with_name(f".{output.name}.lock")
    while True:
        try:
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed below
        except OSError as error:
            raise OSError(
                f"cannot write {output}: {os.strerror(error.errno or 0).lower()}; make that "
                "possible or choose another folder"
            ) from error
        try:
            _lock(file.fileno())
        except OSError as error:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise BlockingIOError(
                f"{output.name} is being written by {holder}; wait for it, stop it, or choose "
                "another name"
            ) from error
        try:
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except FileNotFoundError:
            same = False
        if same:
            break
        file.close()  # the one who held it has just removed it
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
    finally:
        with suppress(OSError):  # an open file stays on Windows; it does no harm
            path.unlink(missing_ok=True)
        file.close()


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        anchor: Any = msvcrt
        os.lseek(descriptor, 2**30, os.SEEK_SET)  # beyond the text, which others may read
        anchor.locking(descriptor, anchor.LK_NBLCK, 1)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise  # a file system without locks has nothing to refuse with
