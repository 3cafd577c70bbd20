"""The house's own rules that no other tool holds."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_folder_is_no_package() -> None:
    """With an __init__.py the folder would shadow the standard library's `operator` when the root is on the path."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    import operator

    assert not str(operator.__file__).startswith(str(ROOT))
    assert "operator" in sys.stdlib_module_names


def test_license_is_apache() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
