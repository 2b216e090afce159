"""Contact sheets: the images of some galaxies with their captions, as one PNG or a PDF of pages."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from anomaly_zoo import tables
from anomaly_zoo.cutouts import CutoutError

if TYPE_CHECKING:
    from PIL import Image

    from anomaly_zoo.catalog import Catalog

__all__ = ["LIMITS", "Caption", "Sheet", "contact_sheet"]

LIMITS = {".png": 500, ".pdf": 2000}
"""Galaxies in one file at most."""
PAPERS = {"a4": (1654, 2339), "letter": (1700, 2200)}
"""Pages in pixels, at `_DPI`."""
_DPI = 200
_SIDE = 240  # pixels of a thumbnail in a PNG
_MOST_COLUMNS = 20
_TALLEST = 32_000  # pixels of a PNG that programs still show
_THREADS = 4
_AHEAD = 48  # thumbnails that are read before they are drawn
_LONGEST = 300  # characters of any text that are looked at

_GROUND, _EDGE = "#0b0e14", "#232a38"
_TEXT, _DIM, _ACCENT = "#e6eaf2", "#9aa5b8", "#7dd3fc"
_TRACK, _SPREAD, _MEAN = "#252d3d", "#2a788e", "#7ad151"
_BADGES = ("#c4cad4", "#a9acf0", "#7cc4d8", "#5fd6b4", "#9fe37d", "#fde725")
_BADGE_TEXT = "#10131a"
_STRIPES = ("#141925", "#10141e")
# All that the font that comes with Pillow has beside ASCII; a font of the system draws the rest.
_DRAWN = frozenset("±·…°´©«»‘’“”‹›™") | frozenset(map(chr, range(32, 127)))
_OTHER_FONTS = ("DejaVuSans.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf")


@dataclass(frozen=True)
class Caption:
    """What is written under one galaxy; None, NaN or "" for what is not known.

    `interest` and `std` are on the scale of the ratings, 0 to 5; `score` is the rating given, drawn
    as a badge; `distance` is how far it is from what was asked for; `tags` are words, several or
    one text of them; `note` is a line of any other words.

    >>> Caption(interest=4.21, std=0.3, tags="#ring #blue").tags
    ('#ring', '#blue')
    """

    interest: float | None = None
    std: float | None = None
    score: float | None = None
    distance: float | None = None
    tags: Sequence[str] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("interest", "std", "score", "distance"):
            object.__setattr__(self, name, _number(getattr(self, name)))
        tags = self.tags.split() if isinstance(self.tags, str) else self.tags
        object.__setattr__(self, "tags", tuple(str(tag) for tag in tags))


class Sheet(NamedTuple):
    """What was drawn: galaxies, pages, and how many have a grey tile in place of their image."""

    galaxies: int
    pages: int
    without_image: int


def contact_sheet(
    path: str | os.PathLike[str],
    catalog: Catalog | None,
    ids: Sequence[str],
    captions: Sequence[Caption] | None = None,
    *,
    title: str = "",
    date: str = "",
    columns: int | None = None,
    paper: str = "a4",
    progress: Callable[[float], None] | None = None,
) -> Sheet:
    """Draw the galaxies `ids`, in that order, with their captions: one .png, or pages as .pdf.

    `title` says what was selected and `date` when, both as they are to be read; `columns` is the
    number of galaxies in a row, chosen to look well by default; `paper` ("a4" or "letter") is for
    a PDF. An image that cannot be read becomes a grey tile with the reason. `progress` is called
    with the share that is done, 0 to 1. Images are read on some threads; a page, or the whole PNG,
    is in memory. The file is written whole or not at all.

    Raises `ValueError` for another suffix or paper, no galaxies, more than `LIMITS` of them,
    captions of another number or columns that do not fit; `FileNotFoundError` where there is no
    such folder; `OSError` where it cannot be written.

    >>> import numpy as np, tempfile
    >>> from anomaly_zoo.catalog import Catalog
    >>> catalog = Catalog({"id_str": ["J1", "J2"]}, lambda row: np.full((64, 64), 90, np.uint8))
    >>> file = Path(tempfile.mkdtemp()) / "rings.png"
    >>> contact_sheet(file, catalog, ["J2", "J1"], [Caption(4.2, 0.3), Caption(2)], title="#ring")
    Sheet(galaxies=2, pages=1, without_image=0)
    """
    file = tables.target(path)
    suffix = file.suffix.lower()
    ids = [str(text) for text in ([ids] if isinstance(ids, str) else ids)]
    captions = [Caption()] * len(ids) if captions is None else list(captions)
    _check(file, ids, captions, columns, paper)
    title = _printable(title) or "Galaxies"
    layout = (
        _Layout.of_paper(PAPERS[paper], int(columns or 5), title, captions)
        if suffix == ".pdf"
        else _Layout.of_picture(len(ids), int(columns or _square(len(ids))), title, captions)
    )
    drawn = _Drawing(layout, _about(len(ids), date), _legend(captions), len(ids))
    pictures = _thumbnails(catalog, ids, layout.side)
    with closing(pictures), tables.replacing(file) as beside:
        cells = zip(ids, captions, pictures, strict=True)
        for number in range(drawn.pages):
            page = drawn.page(number, islice(cells, layout.per_page), progress)
            if suffix == ".png":
                page.save(beside, "PNG", compress_level=4, pnginfo=_png_words(title))
            else:
                page.save(
                    beside,
                    "PDF",
                    append=number > 0,
                    resolution=_DPI,
                    quality=90,
                    subsampling=0,
                    title=title,
                    producer="anomaly_zoo",
                )
    return Sheet(len(ids), drawn.pages, drawn.without_image)


def _check(
    file: Path, ids: list[str], captions: list[Caption], columns: int | None, paper: str
) -> None:
    suffix = file.suffix.lower()
    if suffix not in LIMITS:
        raise ValueError(f"{file.name}: a contact sheet is a .png or a .pdf file")
    if not ids:
        raise ValueError("there are no galaxies to draw: the selection is empty")
    if len(captions) != len(ids):
        raise ValueError(f"expected {len(ids):,} captions, one a galaxy, got {len(captions):,}")
    if len(ids) > LIMITS[suffix]:
        pages = LIMITS[".pdf"]
        do = (
            f"write a .pdf (at most {pages:,}) or" if suffix == ".png" and len(ids) <= pages else ""
        )
        raise ValueError(
            f"{file.name}: {len(ids):,} galaxies are too many for one {suffix} (at most "
            f"{LIMITS[suffix]:,}); {do + ' ' if do else ''}draw the first of them, "
            f"ids[:{LIMITS[suffix]}]"
        )
    if columns is not None and columns not in range(1, _MOST_COLUMNS + 1):
        raise ValueError(f"columns: expected 1 to {_MOST_COLUMNS}, got {columns!r}")
    if paper not in PAPERS:
        raise ValueError(f"paper: expected one of {', '.join(PAPERS)}, got {paper!r}")


def _square(n: int) -> int:
    """Columns that make n cells, higher than wide, a picture a little wider than high."""
    return max(1, min(10, round(math.sqrt(1.8 * n))))


def _about(n: int, date: str) -> str:
    number = "1 galaxy" if n == 1 else f"{n:,} galaxies"
    return f"{number}  ·  {date}" if date else number


# Where everything is


@dataclass(frozen=True)
class _Layout:
    """Pixels of a page: cells of a thumbnail with its lines below, under a title."""

    width: int
    height: int
    margin: int
    side: int  # of a thumbnail
    gap: int
    columns: int
    rows: int
    title: tuple[str, ...]  # its lines
    parts: tuple[str, ...]  # of a caption, from the top
    row_gap: int

    @classmethod
    def of_paper(
        cls, size: tuple[int, int], columns: int, title: str, captions: Sequence[Caption]
    ) -> _Layout:
        width, height = size
        margin, gap, least = 72, max(10, 150 // columns), 14
        side = (width - 2 * margin - (columns - 1) * gap) // columns
        lines = _wrapped(title, _heading(width), width - 2 * margin, 2)
        page = cls(
            width, height, margin, side, gap, columns, 1, tuple(lines), _parts(captions), gap
        )
        free = height - page.top - margin - page.footer
        rows = max(1, (free + least) // (page.cell + least))
        over = (free - rows * page.cell) // max(1, rows - 1)
        return replace(page, rows=rows, row_gap=min(over, 2 * gap))

    @classmethod
    def of_picture(cls, n: int, columns: int, title: str, captions: Sequence[Caption]) -> _Layout:
        margin, gap = 36, 22
        columns = min(columns, n)
        rows = math.ceil(n / columns)
        width = 2 * margin + max(columns, 3) * (_SIDE + gap) - gap
        lines = _wrapped(title, _heading(width), width - 2 * margin, 2)
        page = cls(width, 0, margin, _SIDE, gap, columns, rows, tuple(lines), _parts(captions), gap)
        height = page.top + rows * (page.cell + gap) - gap + page.footer + margin
        if height > _TALLEST:
            raise ValueError(
                f"columns: {n:,} galaxies in {columns} columns are {height:,} pixels high, at most "
                f"{_TALLEST:,}; give more columns or write a .pdf"
            )
        return replace(page, height=height)

    @property
    def per_page(self) -> int:
        return self.columns * self.rows

    @property
    def letters(self) -> int:
        """Size of the font of a caption."""
        return max(9, min(26, round(0.066 * self.side)))

    @property
    def line(self) -> int:
        return round(1.45 * self.letters)

    @property
    def cell(self) -> int:
        """Height of a cell."""
        return self.side + self.bar + self.line * sum(part != "bar" for part in self.parts)

    @property
    def bar(self) -> int:
        """Height between a thumbnail and its caption."""
        return self.letters if "bar" in self.parts else self.letters // 3

    @property
    def heading(self) -> int:
        return _heading(self.width)

    @property
    def small(self) -> int:
        """Size of the font of the lines under the title and at the foot."""
        return round(0.56 * self.heading)

    @property
    def rule(self) -> int:
        """Where the line under the title is."""
        title = self.margin + round(1.25 * self.heading * len(self.title))
        return title + round(2.1 * self.small)

    @property
    def top(self) -> int:
        """Where the cells begin."""
        return self.rule + round(0.8 * self.heading)

    @property
    def footer(self) -> int:
        return round(1.7 * self.heading)


def _heading(width: int) -> int:
    """Size of the font of the title."""
    return 34 if width > 1200 else 26


def _parts(captions: Sequence[Caption]) -> tuple[str, ...]:
    """What any of the captions needs, from the top: all cells are of one height."""
    bar = any(c.interest is not None for c in captions)
    there = {
        "bar": bar,
        "id": True,
        "numbers": bar or any(c.distance is not None for c in captions),
        "tags": any(c.tags for c in captions),
        "note": any(c.note for c in captions),
    }
    return tuple(part for part, needed in there.items() if needed)


def _legend(captions: Sequence[Caption]) -> str:
    """What the captions show, in words."""
    there = {
        "interest": "bar: predicted interest, 0 to 5, ± its uncertainty",
        "distance": "d: distance",
        "score": "circle: rating",
    }
    said = [
        words
        for name, words in there.items()
        if any(getattr(caption, name) is not None for caption in captions)
    ]
    return "  ·  ".join(said)


# Drawing


class _Drawing:
    """Draws page after page, and counts."""

    def __init__(self, layout: _Layout, about: str, legend: str, n: int) -> None:
        self._layout, self._about, self._legend, self._n = layout, about, legend, n
        self.pages = math.ceil(n / layout.per_page)
        self.without_image = 0
        self._done = 0

    def page(
        self,
        number: int,
        cells: Iterable[tuple[str, Caption, Image.Image | str]],
        progress: Callable[[float], None] | None,
    ) -> Image.Image:
        from PIL import Image

        at = self._layout
        page = Image.new("RGB", (at.width, at.height), _GROUND)
        pen = _Pen(page)
        self._frame(pen, number)
        for place, (id_str, caption, picture) in enumerate(cells):
            row, column = divmod(place, at.columns)
            left = at.margin + column * (at.side + at.gap)
            top = at.top + row * (at.cell + at.row_gap)
            self._cell(pen, (left, top), id_str, caption, picture)
            self._done += 1
            if progress is not None:
                progress(self._done / self._n)
        return page

    def _frame(self, pen: _Pen, number: int) -> None:
        """The title, the foot and the page number."""
        at = self._layout
        left, right, bottom = at.margin, at.width - at.margin, at.height - at.margin
        base = at.margin + at.heading
        for line in at.title:
            pen.write((left, base), line, at.heading, _TEXT)
            base += round(1.25 * at.heading)
        below = at.rule - round(0.8 * at.small)
        pen.write((left, below), self._about, at.small, _DIM)
        if self.pages > 1:
            pen.write((right, below), f"{number + 1} / {self.pages}", at.small, _DIM, "rs")
        pen.draw.line([(left, at.rule), (right, at.rule)], _EDGE, 2)
        pen.write((right, bottom), "anomaly_zoo", at.small, _DIM, "rs")
        room = right - left - _width("anomaly_zoo", at.small) - 2 * at.small
        pen.write((left, bottom), _fitted(self._legend, at.small, room), at.small, _DIM)

    def _cell(
        self,
        pen: _Pen,
        place: tuple[int, int],
        id_str: str,
        caption: Caption,
        picture: Image.Image | str,
    ) -> None:
        at = self._layout
        left, top = place
        if isinstance(picture, str):
            self.without_image += 1
            picture = _reason_tile(picture, at.side, at.letters)
        pen.page.paste(picture, place, _rounded(at.side, at.side, at.side / 34))
        if caption.score is not None:
            pen.badge((left + at.letters // 2, top + at.letters // 2), caption.score, at.letters)
        base = top + at.side
        if caption.interest is not None:
            bar = (left, base + round(0.45 * at.letters), at.side)
            pen.bar(bar, caption.interest, caption.std, max(3, at.letters // 4))
        base += at.bar
        for part in at.parts[at.parts.index("id") :]:
            base += at.line
            if part == "numbers":
                pen.numbers((left, base), caption, at.letters, at.side)
                continue
            words, colour = {
                "id": (id_str, _TEXT),
                "tags": (" ".join(caption.tags), _ACCENT),
                "note": (caption.note, _DIM),
            }[part]
            words = _fitted(words, at.letters, at.side, middle=part == "id")
            pen.write((left, base), words, at.letters, colour)


class _Pen:
    """Writes and draws on one page; a text is only ever text, and never longer than its room."""

    def __init__(self, page: Image.Image) -> None:
        from PIL import ImageDraw

        self.page = page
        self.draw = ImageDraw.Draw(page)

    def write(
        self, place: tuple[int, int], text: str, size: int, colour: str, anchor: str = "ls"
    ) -> None:
        """Write a line from its left (or right) end on the base line."""
        text = _printable(text)
        self.draw.text(place, text, colour, _font(size, _plain(text)), anchor)

    def bar(
        self, place: tuple[int, int, int], interest: float, std: float | None, thick: int
    ) -> None:
        """The interest on a scale of 0 to 5, with one standard deviation to either side."""
        left, top, width = place
        right, half = left + width - 1, max(1, thick // 2)

        def at(value: float) -> float:
            return left + half + (width - 1 - 2 * half) * min(max(value, 0.0), 5.0) / 5

        spread = std or 0.0
        low, middle, high = at(interest - spread), at(interest), at(interest + spread)
        self._pill((left, top, right, top + thick), _TRACK)
        self._pill((low, top, high, top + thick), _SPREAD)
        self._pill((middle - half, top - half, middle + half, top + thick + half), _MEAN)

    def _pill(self, box: tuple[float, float, float, float], colour: str) -> None:
        """A bar with round ends, or a circle."""
        left, top, right, bottom = (round(value) for value in box)
        size = right - left + 1, bottom - top + 1
        self.page.paste(colour, (left, top), _rounded(*size, min(size) / 2))

    def numbers(self, place: tuple[int, int], caption: Caption, size: int, room: int) -> None:
        """The interest with its uncertainty on the left, the distance on the right."""
        left, base = place
        if caption.interest is not None:
            words = f"{caption.interest:.2f}"
            self.write(place, words, size, _TEXT)
            if caption.std is not None:
                end = left + round(_width(words + " ", size))
                self.write((end, base), f"± {caption.std:.2f}", size, _DIM)
        if caption.distance is not None:
            self.write((left + room, base), f"d {caption.distance:#.3g}", size, _DIM, "rs")

    def badge(self, place: tuple[int, int], score: float, size: int) -> None:
        """The rating in a circle, or what is as wide as it needs."""
        left, top = place
        words, high = f"{score:.3g}", round(1.6 * size)
        wide = max(high, round(_width(words, size) + 0.9 * size))
        colour = _BADGES[min(max(round(score), 0), 5)]
        self._pill((left - 1, top - 1, left + wide + 1, top + high + 1), _GROUND)
        self._pill((left, top, left + wide, top + high), colour)
        centre = (left + wide // 2, top + high // 2)
        self.draw.text(centre, words, _BADGE_TEXT, _font(size, True), "mm")


def _reason_tile(reason: str, side: int, letters: int) -> Image.Image:
    """A striped grey tile with the words why there is no image."""
    from PIL import Image

    tile = Image.new("RGB", (side, side), _STRIPES[0])
    pen = _Pen(tile)
    step = max(6, side // 14)
    for x in range(-side, side, 2 * step):
        corners = [(x, side), (x + step, side), (x + step + side, 0), (x + side, 0)]
        pen.draw.polygon(corners, _STRIPES[1])
    line = round(1.35 * letters)
    room = 0.82 * side
    lines = _wrapped(reason, letters, room, 6)
    base = (side - line * len(lines)) // 2 + letters
    for text in lines:
        pen.write((side // 2, base), text, letters, _DIM, "ms")
        base += line
    return tile


@lru_cache(maxsize=256)
def _rounded(width: int, height: int, radius: float) -> Image.Image:
    """A mask of a rectangle with round corners, its edges smooth."""
    from PIL import Image, ImageDraw

    fine = Image.new("L", (4 * width, 4 * height), 0)
    box = (0, 0, 4 * width - 1, 4 * height - 1)
    ImageDraw.Draw(fine).rounded_rectangle(box, 4 * radius, 255)
    return fine.resize((width, height), Image.Resampling.BOX)


# Text


def _width(text: str, size: int) -> float:
    return _font(size, _plain(text)).getlength(text)


def _fitted(text: str, size: int, room: float, middle: bool = False) -> str:
    """As much of the text as there is room for, an ellipsis at its end or in its middle."""
    text = _printable(text)
    if _width(text, size) <= room:
        return text

    def cut(kept: int) -> str:
        tail = kept // 2 if middle else 0
        return text[: kept - tail].rstrip() + "…" + text[len(text) - tail :]

    low, high = 0, len(text)
    while high - low > 1:
        half = (low + high) // 2
        low, high = (half, high) if _width(cut(half), size) <= room else (low, half)
    return cut(low)


def _wrapped(text: str, size: int, room: float, most: int) -> list[str]:
    """The text in at most so many lines, as many words in each as there is room for."""
    lines: list[str] = []
    words = _printable(text).split(" ")
    while words and len(lines) < most - 1:
        n = 1
        while n < len(words) and _width(" ".join(words[: n + 1]), size) <= room:
            n += 1
        lines.append(_fitted(" ".join(words[:n]), size, room))
        words = words[n:]
    return [*lines, _fitted(" ".join(words), size, room)] if words else lines


@lru_cache(maxsize=64)
def _font(size: int, plain: bool) -> Any:
    """The font that comes with Pillow, or for letters that it lacks one of the system."""
    from PIL import ImageFont

    name = None if plain else _system_font()
    return ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)


@cache
def _system_font() -> str | None:
    """A font of this machine that has more letters, if there is one."""
    from PIL import ImageFont

    for name in _OTHER_FONTS:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return None


def _plain(text: str) -> bool:
    return _DRAWN.issuperset(text)


def _printable(text: str) -> str:
    """The text in one line, of characters that can be drawn, none of them to steer by.

    >>> _printable("J1\\n\\x00<b> \\u202ex")
    'J1 <b> x'
    """
    shown = "".join(c if c.isprintable() else " " for c in str(text)[:_LONGEST])
    line = " ".join(shown.split())
    return line if _plain(line) or _system_font() else _ascii(line)


def _ascii(text: str) -> str:
    """The text in letters that every machine can draw.

    >>> _ascii("Méchain ☉")
    'Mechain ?'
    """
    apart = unicodedata.normalize("NFKD", text)
    kept = (c for c in apart if not unicodedata.combining(c))
    return "".join(c if c in _DRAWN else "?" for c in kept)


# Pictures


def _thumbnails(
    catalog: Catalog | None, ids: Sequence[str], side: int
) -> Generator[Image.Image | str, None, None]:
    """The square pictures in the order of the ids, some read ahead; the reason where there is none.

    Only `_AHEAD` of them are held.
    """

    def one(id_str: str) -> Image.Image | str:
        if catalog is None:
            return "no catalogue was given, so there are no images"
        try:
            return _squared(catalog.image(id_str), side)
        except CutoutError as error:
            return str(error) or "the image could not be read"

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="anomaly_zoo-sheet") as threads:
        for first in range(0, len(ids), _AHEAD):
            yield from threads.map(one, ids[first : first + _AHEAD])


def _squared(image: Image.Image, side: int) -> Image.Image:
    """The middle square of an image, brought to `side` pixels."""
    from PIL import Image

    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) / 2, (height - edge) / 2
    box = (left, top, left + edge, top + edge)
    return image.resize((side, side), Image.Resampling.LANCZOS, box)


def _png_words(title: str) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Title", title)
    info.add_text("Software", "anomaly_zoo")
    return info


# Numbers


def _number(value: Any) -> float | None:
    """A number, or None for what is none: None, NaN, infinity, pandas' NA."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
