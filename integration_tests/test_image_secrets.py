"""The scan of an image finds what it looks for."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from integration_tests.image_secrets import secrets_in_image

if TYPE_CHECKING:
    from pathlib import Path

TOKEN: Final = f"pat{'A' * 14}.{'0' * 64}"


def archive_of(files: dict[str, str | bytes]) -> bytes:
    """A tar archive of files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def write_image(folder: Path, *, base: dict[str, str], own: dict[str, str], step: str) -> Path:
    """An image of two layers, as `docker save` writes it."""
    manifest = [{"Config": "config", "Layers": ["base", "own"]}]
    image = folder / "image.tar"
    image.write_bytes(
        archive_of(
            {
                "base": archive_of({**base}),
                "own": archive_of({**own}),
                "config": json.dumps({"history": [{"created_by": step}]}),
                "manifest.json": json.dumps(manifest),
            }
        )
    )
    return image


@pytest.mark.parametrize(
    ("own", "step", "found"),
    [
        ({"app/config.py": f"token = '{TOKEN}'"}, "", ["app/config.py"]),
        ({"root/.netrc": ""}, "", ["root/.netrc"]),
        ({"pip.conf": "https://ann:word@index.test/simple"}, "", ["pip.conf"]),
        ({}, f"ENV TOKEN={TOKEN}", ["the steps of the build"]),
        ({"app/about.py": "tokens begin with pat, see https://host:443/a@b"}, "RUN true", []),
    ],
    ids=["token", "private file", "password in an address", "step", "none"],
)
def test_secret_is_found(tmp_path: Path, own: dict[str, str], step: str, found: list[str]) -> None:
    """Files and steps above the base are named when they look secret; the base's own are not."""
    image = write_image(tmp_path, base={"etc/test.key": TOKEN}, own=own, step=step)

    assert secrets_in_image(image, base_layers=1) == found


def test_image_without_a_layer_of_its_own(tmp_path: Path) -> None:
    """A scan that would look at nothing is refused."""
    image = write_image(tmp_path, base={}, own={}, step="")

    with pytest.raises(ValueError, match="no layer above its base"):
        secrets_in_image(image, base_layers=2)
