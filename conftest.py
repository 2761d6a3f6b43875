"""What holds for every test, in whatever order and on whatever worker it runs."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

# The same examples in every run, and no opinion on how fast this machine is.
settings.register_profile("every run", deadline=None, derandomize=True)
settings.load_profile("every run")

_MOST_WORKERS = 8
"""Each takes some 300 MB."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Give each core two workers with ``-n auto``: many tests wait for a process or a clock."""
    return min(2 * (os.cpu_count() or 1), _MOST_WORKERS)


@pytest.fixture(scope="module", autouse=True)
def socket_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse every connection that would leave this machine, but for tests of a real account."""
    if request.node.get_closest_marker("requires_creds"):
        yield
        return

    def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[..., Any]:
        def connect_to(this: socket.socket, address: Any) -> Any:  # noqa: ANN401 - one per family
            if isinstance(address, tuple) and address[0] not in _LOOPBACK:
                pytest.fail(f"a test would connect to {address[0]}")
            return connect(this, address)

        return connect_to

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield
