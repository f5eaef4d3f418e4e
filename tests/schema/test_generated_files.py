"""What is generated from sql/schema is what stands in the repository."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The generator, working on a copy of the sources."""
    specification = importlib.util.spec_from_file_location("generate", ROOT / "sql/generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    shutil.copytree(ROOT / "sql/schema", tmp_path / "sql/schema")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SCHEMA", tmp_path / "sql/schema")
    for name in ("COMPLETE", "INITIAL"):
        path = getattr(module, name).relative_to(ROOT)
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
        monkeypatch.setattr(module, name, tmp_path / path)
    return module


def test_they_are_up_to_date(generate: ModuleType) -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", ["COMPLETE", "INITIAL"])
def test_a_line_edited_by_hand_is_found_and_mended(generate: ModuleType, name: str) -> None:
    path: Path = getattr(generate, name)
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("begin", "begin -- by hand", 1), encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert path.read_text(encoding="utf-8") == good


def test_a_changed_source_is_found(generate: ModuleType) -> None:
    source = sorted(generate.SCHEMA.glob("*.sql"))[-1]
    source.write_text(f"{source.read_text(encoding='utf-8')}\nselect 1;\n", encoding="utf-8")
    assert generate.main(["--check"]) == 1


def test_files_load_in_the_order_of_their_names(generate: ModuleType) -> None:
    text: str = generate.complete_schema(generate.SCHEMA)
    names = sorted(path.name for path in generate.SCHEMA.glob("*.sql"))
    positions = [text.index(f"\n-- {name} ---") for name in names]
    assert positions == sorted(positions)


def test_no_source_is_an_error(generate: ModuleType) -> None:
    shutil.rmtree(generate.SCHEMA)
    generate.SCHEMA.mkdir()
    assert generate.main([]) == 1
