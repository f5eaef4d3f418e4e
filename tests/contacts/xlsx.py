"""Writes small XLSX files as Excel writes them: a zip of XML."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True)
class Inline:
    """A text in the cell itself, as some programs write it; Excel shares its texts."""

    text: str


@dataclass(frozen=True)
class Raw:
    """A cell's value and type as the file has them, such as a number too long for a float."""

    value: str
    type: str = "n"


@dataclass(frozen=True)
class Day:
    """A date: a number of days, and a format that shows it as one."""

    serial: float


Cell = str | int | float | bool | None | Inline | Raw | Day
Rows = Sequence[Sequence[Cell]]


def write_xlsx(path: Path, sheets: Mapping[str, Rows], *, hidden: Sequence[str] = ()) -> Path:
    """Write these sheets; None is a cell that is not there, and a row of nothing is left out."""
    shared: list[str] = []
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f"<sheet name={quoteattr(name)} sheetId='{number}' r:id='rId{number}'"
        f"{' state=' + quoteattr('hidden') if name in hidden else ''}/>"
        for number, name in zip(numbers, sheets, strict=True)
    )
    relations = "".join(
        f"<Relationship Id='rId{number}' Type='{_RELATIONS}/worksheet'"
        f" Target='worksheets/sheet{number}.xml'/>"
        for number in numbers
    )
    others = (("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml"))
    relations += "".join(
        f"<Relationship Id='rId{900 + place}' Type='{_RELATIONS}/{kind}' Target='{target}'/>"
        for place, (kind, target) in enumerate(others)
    )
    overrides = "".join(
        f"<Override PartName='/xl/worksheets/sheet{number}.xml'"
        f" ContentType='{_TYPE}.worksheet+xml'/>"
        for number in numbers
    )
    parts = {
        f"xl/worksheets/sheet{number}.xml": _sheet(rows, shared)
        for number, rows in zip(numbers, sheets.values(), strict=True)
    }
    texts = "".join(f"<si><t xml:space='preserve'>{escape(text)}</t></si>" for text in shared)
    parts |= {
        "[Content_Types].xml": f"<Types xmlns='{_PACKAGE}/content-types'>"
        "<Default Extension='rels'"
        " ContentType='application/vnd.openxmlformats-package.relationships+xml'/>"
        f"<Override PartName='/xl/workbook.xml' ContentType='{_TYPE}.sheet.main+xml'/>"
        f"<Override PartName='/xl/styles.xml' ContentType='{_TYPE}.styles+xml'/>"
        f"<Override PartName='/xl/sharedStrings.xml' ContentType='{_TYPE}.sharedStrings+xml'/>"
        f"{overrides}</Types>",
        "_rels/.rels": f"<Relationships xmlns='{_PACKAGE}/relationships'><Relationship Id='rId1'"
        f" Type='{_RELATIONS}/officeDocument' Target='xl/workbook.xml'/></Relationships>",
        "xl/workbook.xml": f"<workbook xmlns='{_MAIN}' xmlns:r='{_RELATIONS}'>"
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships xmlns='{_PACKAGE}/relationships'>"
        f"{relations}</Relationships>",
        "xl/styles.xml": f"<styleSheet xmlns='{_MAIN}'><cellXfs count='2'>"
        "<xf numFmtId='0'/><xf numFmtId='14' applyNumberFormat='1'/></cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f"<sst xmlns='{_MAIN}' uniqueCount='{len(shared)}'>{texts}</sst>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, _HEAD + content)
    return path


def _sheet(rows: Rows, shared: list[str]) -> str:
    written = []
    for number, row in enumerate(rows, start=1):
        cells = "".join(
            _cell(f"{_column(place)}{number}", cell, shared)
            for place, cell in enumerate(row)
            if cell is not None
        )
        if cells:
            written.append(f"<row r='{number}'>{cells}</row>")
    return f"<worksheet xmlns='{_MAIN}'><sheetData>{''.join(written)}</sheetData></worksheet>"


def _cell(place: str, cell: Cell, shared: list[str]) -> str:
    if isinstance(cell, Inline):
        text = f"<t xml:space='preserve'>{escape(cell.text)}</t>"
        return f"<c r='{place}' t='inlineStr'><is>{text}</is></c>"
    if isinstance(cell, Day):
        return f"<c r='{place}' s='1'><v>{cell.serial}</v></c>"
    if isinstance(cell, Raw):
        return f"<c r='{place}' t='{cell.type}'><v>{escape(cell.value)}</v></c>"
    if isinstance(cell, bool):
        return f"<c r='{place}' t='b'><v>{int(cell)}</v></c>"
    if isinstance(cell, int | float):
        return f"<c r='{place}'><v>{cell!r}</v></c>"
    assert isinstance(cell, str)
    if cell not in shared:
        shared.append(cell)
    return f"<c r='{place}' t='s'><v>{shared.index(cell)}</v></c>"


def _column(place: int) -> str:
    assert place < 26
    return chr(ord("A") + place)
