"""Build the pages of `docs` that are read off the product itself, so that the two cannot disagree.

python docs/generate.py           writes them
python docs/generate.py --check   writes nothing; exit code 1 when one is out of date
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import commands_page
import errors_page

DOCS: Final = Path(__file__).resolve().parent
PAGES: Final[dict[str, Callable[[], str]]] = {
    "COMMANDS.md": commands_page.text,
    "ERRORS.md": errors_page.text,
}


def main(arguments: list[str]) -> int:
    """Write the pages or, with `--check`, compare them; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    exit_code = 0
    for name, text in PAGES.items():
        page = DOCS / name
        before = page.read_text(encoding="utf-8") if page.is_file() else ""
        after = text()
        if before == after:
            continue
        if arguments:
            print(f"generate: docs/{name} is out of date; run `make generate`", file=sys.stderr)
            exit_code = 1
        else:
            page.write_text(after, encoding="utf-8")
            print(f"generate: wrote docs/{name}")
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
