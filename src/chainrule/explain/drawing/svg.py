"""A small writer of SVG: elements, escaping, how wide text is at most, themes; and the picture made."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ParameterError, unknown_name
from ...training.storage import write_whole

Array = np.ndarray[Any, Any]

FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
SMALL, PLAIN = 11.0, 12.0  # sizes of type, in pixels of the picture; there is none smaller
ABOVE, BELOW = 0.80, 0.25  # how far letters reach from the line they stand on, as shares of their size
PAGE = (170.0, 257.0)  # millimetres that margins of 20 leave of an A4 page
UNSCALED = 0.75  # points of a pixel that is printed at its own size
THEMES = ("auto", "dark", "light")

_WIDTHS = {  # shares of the size: the widest that any of the fonts above has, rounded up
    0.30: "Iijl",
    0.35: " ,./:;\\|·'",
    0.40: "()-[]ft",
    0.45: "!r",
    0.50: '"*J`',
    0.55: "csz∂",
    0.60: "?L_kvxy",
    0.65: "$0123456789FTabdeghnopqu{}η",
    0.70: "ABEKPSVXYZ",
    0.75: "CNRU",
    0.80: "&DGHOQ",
    0.85: "#+<=>^w~−×∞",
    0.90: "M●",
    1.00: "%Wm…→",
}
_WIDTH = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_WIDEST = 1.1  # of letters that are not in the table, as those of Chinese
_BOLD = 1.25

_COLOURS = {  # blue and orange can be told apart with every kind of colour vision
    "light": {
        "page": "#ffffff",
        "panel": "#f4f5f7",
        "ink": "#1c1e21",
        "quiet": "#5b6068",
        "thin": "#a9aeb6",
        "plus": "#1f5fa8",
        "minus": "#c2551d",
    },
    "dark": {
        "page": "#16181c",
        "panel": "#22262c",
        "ink": "#eceff3",
        "quiet": "#a6adb7",
        "thin": "#6d747f",
        "plus": "#6fadf0",
        "minus": "#f0915a",
    },
}
_RULES = (
    ".page{{fill:{page}}}.panel{{fill:{panel};stroke:{thin}}}.ink{{fill:{ink}}}.quiet{{fill:{quiet}}}"
    ".plus{{stroke:{plus}}}.minus{{stroke:{minus}}}.thin{{stroke:{thin}}}.rim{{stroke:{ink}}}"
    ".fplus{{fill:{plus}}}.fminus{{fill:{minus}}}.fthin{{fill:{thin}}}"
)
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold


def escape(text: str) -> str:
    """Text for an element or an attribute in double quotes; a replacement sign for what XML cannot hold."""
    text = _UNFIT.sub("\ufffd", text)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line of text is at most, in pixels, whichever of the fonts is there."""
    wide = sum(_WIDTH.get(letter, _WIDEST) for letter in text) * size
    return wide * _BOLD if bold else wide


def cut(text: str, width: float, size: float = SMALL, bold: bool = False) -> str:
    """Text that is no wider than that; what is cut off is replaced by three dots."""
    text = " ".join(text.split())
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(f"{text}…", size, bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def wrap(text: str, width: float, size: float = SMALL) -> list[str]:
    """Text as lines that are no wider than that, unless a word is."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def short(value: float, digits: int = 3) -> str:
    """A number for a small place: so many significant digits, and a true minus sign.

    >>> short(-0.12345), short(1234567.0), short(0.0000123), short(-0.0), short(float("nan"))
    ('−0.123', '1.2e6', '1.2e−5', '0', 'NaN')
    """
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text and 1 < abs(value) < 1e5:
        text = f"{value:.0f}"
    if not 1e-3 <= abs(value) < 1e5:
        mantissa, _, power = f"{value:.{min(digits, 2) - 1}e}".partition("e")
        text = f"{float(mantissa):g}e{int(power)}"
    return text.replace("-", "−")


def exact(value: float) -> str:
    """A number with nine significant digits, as traces have it."""
    return f"{float(value):.9g}".replace("-", "−")


def number(value: float) -> str:
    """A coordinate: two digits after the point are more than a screen shows.

    >>> number(3.0), number(0.125), number(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Canvas:
    """Elements, one after the other; later ones lie above earlier ones."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.smallest = PLAIN

    def add(self, kind: str, tip: str = "", text: str | None = None, **attributes: Any) -> None:
        """An element; `tip` is what a browser shows when the pointer rests on it."""
        inner = (f"<title>{escape(tip)}</title>" if tip else "") + ("" if text is None else escape(text))
        end = f">{inner}</{kind}>" if inner else "/>"
        self.parts.append(f"<{kind}{_attributes(attributes)}{end}")

    def open(self, **attributes: Any) -> None:
        """Begin a group; what it states holds for all in it."""
        self.parts.append(f"<g{_attributes(attributes)}>")

    def close(self) -> None:
        """End the group begun last."""
        self.parts.append("</g>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SMALL,
        anchor: str = "start",
        look: str = "ink",
        bold: bool = False,
        tip: str = "",
    ) -> None:
        """A line of text whose middle is at the height y."""
        if not text:
            return
        self.smallest = min(self.smallest, size)
        more = {"font_weight": "bold"} if bold else {}
        baseline = y + (ABOVE - BELOW) / 2 * size
        self.add(
            "text",
            tip,
            text,
            x=x,
            y=baseline,
            font_size=size,
            text_anchor=anchor,
            class_=look,
            **more,
        )

    def image(self, pixels: Array, x: float, y: float, width: float, height: float, tip: str) -> None:
        """Signed numbers from -1 to 1 as a heat map, shape (rows, columns): blue above 0, orange below."""
        href = "data:image/png;base64," + base64.b64encode(_png(pixels)).decode()
        self.add(
            "image",
            tip,
            x=x,
            y=y,
            width=width,
            height=height,
            preserveAspectRatio="none",
            style="image-rendering:pixelated",
            href=href,
        )


def _attributes(given: dict[str, Any]) -> str:
    found = []
    for name, value in given.items():
        text = number(value) if isinstance(value, int | float) else escape(str(value))
        found.append(f' {name.rstrip("_").replace("_", "-")}="{text}"')
    return "".join(found)


def _png(pixels: Array) -> bytes:
    """Numbers from -1 to 1 as a PNG that lets the page through where they are small.

    References
    ----------
    W3C (2003), Portable Network Graphics specification, section 5.
    """
    values = np.nan_to_num(np.clip(pixels, -1, 1))
    colours = np.where((values < 0)[..., None], np.array([214, 108, 44]), np.array([58, 128, 206]))
    rgba = np.concatenate([colours, np.round(255 * np.abs(values))[..., None]], axis=2).astype(np.uint8)
    rows, columns = values.shape
    scanned = b"".join(b"\0" + row.tobytes() for row in rgba)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(scanned, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@dataclass(frozen=True, repr=False)
class Picture:
    """A drawing as SVG; a notebook shows it by itself.

    Attributes
    ----------
    svg : str
        The whole file.
    title : str
        What it shows, in a few words; also in the file, for those who cannot see it.
    width, height : float
        In pixels, of which CSS has 96 an inch.
    smallest : float
        The size of the smallest type, in pixels.
    """

    svg: str
    title: str
    width: float
    height: float
    smallest: float

    def __repr__(self) -> str:
        return f"<Picture of {self.title}, {self.width:.0f} x {self.height:.0f} pixels>"

    def _repr_svg_(self) -> str:
        return self.svg

    def printed_size(self, page: tuple[float, float] = PAGE) -> float:
        """The smallest type's size in points, printed as large as a page allows, at most as on screen.

        Parameters
        ----------
        page : (float, float)
            The width and height that there is, in millimetres; (170, 257) is what margins of 20 mm leave of
            an A4 page, (257, 170) of one turned sideways.
        """
        return self.smallest * print_scale(self.width, self.height, page)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file that ends in .svg.

        Raises
        ------
        ParameterError
            For another ending: nothing here can make PNG or PDF of it. Browsers (print to PDF) and Inkscape
            can.
        """
        file = Path(path)
        if file.suffix.lower() != ".svg":
            raise ParameterError(
                f"save: pictures are written as .svg, got {file.name!r}. Take that ending; a browser or "
                "Inkscape makes PNG or PDF of it."
            )
        write_whole(file, self.svg.encode())


def print_scale(width: float, height: float, page: tuple[float, float] = PAGE) -> float:
    """How many points a pixel is long in print; `Picture.printed_size` says more."""
    return min(UNSCALED, *(72 / 25.4 * room / size for room, size in zip(page, (width, height), strict=True)))


def finished(
    canvas: Canvas, width: float, height: float, title: str, lines: Sequence[str], theme: str
) -> Picture:
    """The file around what was drawn.

    Parameters
    ----------
    canvas : Canvas
    width, height : float
    title : str
    lines : sequence of str
        What a reader who cannot see it should know.
    theme : {"auto", "light", "dark"}
        Whose colours; "auto" asks the viewer's system.

    Raises
    ------
    UnknownNameError
        If there is no such theme.
    """
    check_theme(theme)
    body = "".join(canvas.parts)
    # Names in the file are this picture's alone: several stand in one notebook, each with its own colours.
    own = "cr" + hashlib.sha256(f"{theme}{title}{body}".encode()).hexdigest()[:10]
    head = {
        "xmlns": "http://www.w3.org/2000/svg",
        "id": own,
        "width": width,
        "height": height,
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "font_family": FONTS,
        "role": "img",
        "aria_labelledby": f"{own}t {own}d",
        "style": "max-width:100%;height:auto",
    }
    svg = (
        f'<svg{_attributes(head)}><title id="{own}t">{escape(title)}</title>'
        f'<desc id="{own}d">{escape(" ".join(lines))}</desc><style>{_style(own, theme)}</style>'
        f'<rect class="page" width="100%" height="100%"/>{body}</svg>\n'
    )
    return Picture(svg, title, width, height, canvas.smallest)


def check_theme(theme: str) -> None:
    """Raise UnknownNameError if there is no such theme."""
    if theme not in THEMES:
        raise unknown_name("theme", theme, THEMES)


def _style(own: str, theme: str) -> str:
    def rules(colours: str) -> str:
        return _RULES.format(**_COLOURS[colours]).replace(".", f"#{own} .")

    if theme != "auto":
        return rules(theme)
    return f"{rules('light')}@media (prefers-color-scheme:dark){{{rules('dark')}}}"
