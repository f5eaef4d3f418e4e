"""Where programs that the project fetches for itself are kept."""

from pathlib import Path


def checkout() -> Path | None:
    """Return the root of the source checkout this package runs from, or None when installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "sql").is_dir() else None


def tools_directory() -> Path:
    """Return `.tools` of the checkout, or a cache directory of the user when installed."""
    root = checkout()
    return Path.home() / ".cache" / "sendonce" / "tools" if root is None else root / ".tools"
