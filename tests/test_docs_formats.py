"""The table of formats is true: every format is in it, with its extra, whether it needs trust, and its options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelport.runtimes.catalog import BUILT_IN

FOLDER = Path(__file__).parent.parent / "docs" / "formats"
TABLE = (FOLDER / "README.md").read_text()
ROWS = {
    row[0].strip("`"): row
    for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if "|" in line)
    if len(row) == 7
}


def test_every_format_is_in_the_table():
    assert ROWS.keys() - {"format", "---"} == BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_the_table_says_of_it(name):
    _, _, _, extra, trust, options, _ = ROWS[name]
    entry = BUILT_IN[name]
    wanted = re.search(r"\[(\w+)\]", entry.install)
    assert extra == (f"`{wanted[1]}`" if wanted else "none")
    assert trust.startswith("**yes**") == entry.runs_code
    source = Path(__file__).parent.parent / "src" / "modelport" / "runtimes"
    folder = source / entry.target.partition(":")[0].split(".")[2]
    text = "".join(file.read_text() for file in folder.rglob("*.py"))
    for option in re.findall(r"`([a-z_]+)`", options):
        assert f'"{option}"' in text or f"{option}:" in text, option


def test_the_links_of_the_formats_lead_somewhere():
    for page in FOLDER.glob("*.md"):
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            heads = [
                re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
                for head in re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            ]
            assert not anchor or anchor[1:] in heads, f"{page.name}: {target}{anchor}"
