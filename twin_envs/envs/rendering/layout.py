"""Where the parts of a picture are, and what writes on them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from twin_envs.envs.rendering.ground import INK

Array = np.ndarray[Any, Any]

DECIDED, NEXT = "#d55e00", "#0072b2"
"""Colours of the UE that the last decision was about, and of the one that is next (Okabe and Ito's palette)."""


class Place(NamedTuple):
    """A part of the picture [pixels]."""

    left: int
    top: int
    width: int
    height: int

    def axes(self, figure: Figure) -> Axes:
        """New axes there."""
        across, up = figure.get_size_inches() * figure.dpi
        bottom = up - self.top - self.height
        return figure.add_axes((self.left / across, bottom / up, self.width / across, self.height / up))


class Pen:
    """Writes on a frame, with Pillow: matplotlib takes a millisecond for a text, and a hundred of them change.

    Args:
        pixels: uint8 [H, W, 3].
    """

    def __init__(self, pixels: Array) -> None:
        self._image = Image.fromarray(pixels)
        self._draw = ImageDraw.Draw(self._image)

    def write(
        self,
        x_px: float,
        y_px: float,
        text: str,
        *,
        size_px: int = 11,
        colour: str = INK,
        bold: bool = False,
        anchor: str = "ls",
    ) -> None:
        """Write a line with its `anchor` (Pillow's, such as "ls": left end of the baseline) at (x, y) from the top."""
        self._draw.text((x_px, y_px), text, fill=colour, font=_font(size_px, bold), anchor=anchor)

    def broken(self, text: str, width_px: float, most: int, *, size_px: int = 11, bold: bool = False) -> list[str]:
        """The text in lines that fit in a width; what does not fit in the `most` lines is left out."""
        font, lines = _font(size_px, bold), [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if font.getlength(longer) <= width_px:
                lines[-1] = longer
            elif len(lines) < most:
                lines.append(word)
            else:
                while lines[-1] and font.getlength(lines[-1] + "…") > width_px:
                    lines[-1] = lines[-1][:-1]
                return [*lines[:-1], lines[-1] + "…"]
        return lines

    def fill(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """Fill a rectangle."""
        self._draw.rectangle((left, top, right, bottom), fill=colour)

    @property
    def pixels(self) -> Array:
        """What is on the frame now, uint8 [H, W, 3]."""
        return np.array(self._image)


@lru_cache(maxsize=16)
def _font(size_px: int, bold: bool) -> ImageFont.FreeTypeFont:
    path = findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal"))
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)
