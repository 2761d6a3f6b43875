"""What must not be in an image: tokens and private keys, by their form, and private files."""

from __future__ import annotations

import json
import re
import tarfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS: Final = re.compile(
    rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"  # Airtable
    rb"|AKIA[0-9A-Z]{16}|gh[oprsu]_[A-Za-z0-9]{36}|github_pat_\w{82}|glpat-[\w-]{20}"
    rb"|pypi-AgEIc[\w-]{50}|dckr_pat_[\w-]{27}|xox[abprs]-[\w-]{20}"
    rb"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}"
    rb"|https?://[\w.~-]+:(?!pass(?:word)?@)[\w.~-]+@"  # in an address, but for what docs write
)
PRIVATE_FILES: Final = re.compile(
    r"(^|/)(\.env|\.git|\.netrc|\.npmrc|\.pypirc|\.ssh|\.aws|\.docker|id_rsa|secrets)(/|$)"
)


def secrets_in_image(image: Path, *, base_layers: int) -> list[str]:
    """The files above the base of a saved image that look secret, and its steps if they do.

    Names the files only: what they hold may be a secret.
    """
    with tarfile.open(image) as saved:
        manifest = json.loads(_content_of(saved, "manifest.json"))[0]
        layers = manifest["Layers"][base_layers:]
        if not layers:
            raise ValueError("the image has no layer above its base")
        found = [name for layer in layers for name in _secret_files(saved, layer)]
        if SECRETS.search(_content_of(saved, manifest["Config"])):
            found.append("the steps of the build")
    return found


def _secret_files(saved: tarfile.TarFile, layer: str) -> Iterator[str]:
    with tarfile.open(fileobj=saved.extractfile(layer)) as files:
        for entry in files:
            if PRIVATE_FILES.search(entry.name) or (
                entry.isreg() and SECRETS.search(_content_of(files, entry.name))
            ):
                yield entry.name


def _content_of(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()
