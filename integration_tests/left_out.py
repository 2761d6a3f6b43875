"""The packages that the image leaves out, hidden from the connector as they are missing there."""

from __future__ import annotations

import re
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

REQUIREMENTS: Final = Path(__file__).resolve().parent.parent / "requirements" / "run.txt"
LEFT_OUT: Final = frozenset(
    re.findall(r"^# ([\w-]+)$", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
)
"""What `make lock` says at the end of the file that it excluded."""


class LeftOutPackages(MetaPathFinder):
    """Finds nothing, and lets nobody else find a module that a package left out would bring.

    A namespace such as `google` is hidden whole, whoever else has a part in it.
    """

    def __init__(self) -> None:
        """Collect the top-level modules of the packages."""
        self._modules = {
            module
            for module, packages in packages_distributions().items()
            if {_normalized(package) for package in packages} & LEFT_OUT
        }

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Refuse the modules."""
        if fullname.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def hide_left_out_packages() -> None:
    """Make this process lack them, as the image does."""
    sys.meta_path.insert(0, LeftOutPackages())


def _normalized(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
