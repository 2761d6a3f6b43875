"""pyairtable, a client that others wrote, on its way to a simulator instead of Airtable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyairtable import Api
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import requests

    from integration_tests.airtable_simulator import SimulatorThread

UPLOADS: Final = "http://content.airtable.com"
"""Where pyairtable sends files, whatever its endpoint."""


class _UploadAdapter(HTTPAdapter):
    """Sends uploads to a simulator."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:  # noqa: ANN401 - as of requests
        request.url = (request.url or "").replace(UPLOADS, self._origin)
        return super().send(request, *args, **more)


def connect(simulator: SimulatorThread, token: str | None = None) -> Api:
    """A client of a simulator, with the simulator's own token if no other is given."""
    api = Api(token or simulator.token, endpoint_url=simulator.url, retry_strategy=None)
    api.session.trust_env = False
    api.session.mount(UPLOADS, _UploadAdapter(simulator.url))
    return api
