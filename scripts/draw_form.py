"""Draw the connection's form as a picture, from the specification alone.

Groups, order, titles and descriptions are those that Airbyte's form takes from it; the look is only
like Airbyte's.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = ROOT / "source_airtable" / "spec.json"
PICTURE: Final = ROOT / "docs" / "images" / "form.svg"

WIDTH: Final = 760
MARGIN: Final = 20
INSET: Final = 18
CHARACTERS: Final = 106
"""Of a description on one line."""
TAG: Final = re.compile(r"<[^>]+>")
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s")
STYLE: Final = (
    "text{font-family:Helvetica,Arial,sans-serif;fill:#1f1f33}"
    ".group{font-size:17px;font-weight:bold}.title{font-size:13px;font-weight:bold}"
    ".said,.optional{font-size:12px;font-weight:normal;fill:#62627a}.value{font-size:13px}"
)


@dataclass
class Drawing:
    """Shapes from the top of a picture to its bottom."""

    height: float = MARGIN
    shapes: list[str] = field(default_factory=list)

    def write(self, text: str, style: str, step: float, indent: float = 0) -> None:
        """Put a line of text below what is there."""
        self.height += step
        x = MARGIN + INSET + indent
        self.shapes.append(
            f'<text class="{style}" x="{x:g}" y="{self.height:g}">{escape(text)}</text>'
        )

    def write_setting(self, title: str, *, is_required: bool) -> None:
        """Put the title of a setting, and whether it can be left alone."""
        optional = "" if is_required else '<tspan class="optional" dx="6">Optional</tspan>'
        self.height += 28
        self.shapes.append(
            f'<text class="title" x="{MARGIN + INSET}" y="{self.height:g}">'
            f"{escape(title)}{optional}</text>"
        )

    def box(self, value: str) -> None:
        """Put a field to fill in, with what is in it."""
        self.height += 8
        width = WIDTH - 2 * (MARGIN + INSET)
        self.shapes.append(
            f'<rect x="{MARGIN + INSET}" y="{self.height:g}" width="{width}" height="28" rx="6" '
            'fill="#fff" stroke="#c4c4d4"/>'
        )
        self.write(value, "value", 19, indent=10)
        self.height += 9

    def to_svg(self) -> str:
        """The picture."""
        height = self.height + MARGIN
        box = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}"'
        lines = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img">',  # ignore-https-check
            "<title>The form of a connection</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="#f3f3f8"/>',
            *self.shapes,
            "</svg>",
        )
        return "\n".join(lines) + "\n"


def form_picture() -> str:
    """The form of a new connection, with the first way to sign in."""
    connection = json.loads(SPEC.read_text("utf-8"))["connectionSpecification"]
    drawing = Drawing()
    for group in connection["groups"]:
        card = Drawing(drawing.height)
        card.write(group["title"], "group", 32)
        for setting in in_order(connection["properties"]):
            if setting["group"] == group["id"]:
                draw_setting(card, setting, is_required=bool(setting.get("oneOf")))
        card.height += 18
        drawing.shapes.append(
            f'<rect x="{MARGIN}" y="{drawing.height:g}" width="{WIDTH - 2 * MARGIN}" '
            f'height="{card.height - drawing.height:g}" rx="10" fill="#fff"/>'
        )
        drawing.shapes += card.shapes
        drawing.height = card.height + 14
    return drawing.to_svg()


def draw_setting(drawing: Drawing, setting: Mapping[str, Any], *, is_required: bool) -> None:
    """Draw a setting, and those inside of it."""
    drawing.write_setting(setting["title"], is_required=is_required)
    for line in textwrap.wrap(first_sentence(setting["description"]), CHARACTERS):
        drawing.write(line, "said", 17)
    inner = setting
    if setting.get("oneOf"):
        inner = setting["oneOf"][0]
        drawing.box(f"{inner['title']}  ▾")
    if "properties" in inner:
        required = inner.get("required", ())
        for name, each in inner["properties"].items():
            if "title" in each:
                draw_setting(drawing, each, is_required=name in required)
    elif setting["type"] == "boolean":
        drawing.box("☑ on" if setting["default"] else "☐ off")
    else:
        drawing.box(value_of(setting))


def value_of(setting: Mapping[str, Any]) -> str:
    """What the field of a setting shows before anybody fills it in."""
    if setting.get("airbyte_secret"):
        return "••••••••••••"
    default = setting.get("default", "")
    if isinstance(default, list):
        return ""
    return f"{default}  ▾" if "enum" in setting else str(default)


def in_order(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The settings as the form orders them."""
    yield from sorted(properties.values(), key=lambda setting: int(setting["order"]))


def first_sentence(description: str) -> str:
    """The beginning of a description, without its tags."""
    return SENTENCE_END.split(unescape(TAG.sub("", description)), maxsplit=1)[0]
