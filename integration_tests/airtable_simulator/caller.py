"""A bare caller of the Web API for the simulator's own tests: no retries, no pacing, no proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from .process import SimulatorProcess, SimulatorThread

CALL_SECONDS = 30.0


class Caller:
    """Calls one simulator with one token."""

    def __init__(
        self, simulator: SimulatorProcess | SimulatorThread, token: str | None = None
    ) -> None:
        """Call with the simulator's own token if no other is given."""
        self._url = simulator.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token or simulator.token}"

    def get(self, *parts: str, **parameters: Any) -> requests.Response:  # noqa: ANN401 - a query
        """GET ``/v0/…``; ``fields=[…]`` becomes ``fields[]``."""
        listed = ("fields", "include", "recordMetadata")
        query = {f"{k}[]" if k in listed else k: v for k, v in parameters.items()}
        return self.session.get(self.path(*parts), params=query, timeout=CALL_SECONDS)

    def post(self, *parts: str, **body: Any) -> requests.Response:  # noqa: ANN401 - a body
        """POST ``/v0/…/listRecords`` with a JSON body."""
        url = self.path(*parts, "listRecords")
        return self.session.post(url, json=body, timeout=CALL_SECONDS)

    def path(self, *parts: str) -> str:
        """The URL of path parts, each percent-encoded."""
        return "/".join((self._url, "v0", *(quote(part, safe="") for part in parts)))

    def pages(self, base: str, table: str, **parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a query
        """Every page of a scan."""
        pages = [self.get(base, table, **parameters).json()]
        while "offset" in pages[-1]:
            pages.append(self.get(base, table, **parameters, offset=pages[-1]["offset"]).json())
        return pages

    def record_ids(self, base: str, table: str, **parameters: Any) -> list[str]:  # noqa: ANN401 - a query
        """The record ids of a scan, in its order."""
        pages = self.pages(base, table, **parameters)
        return [record["id"] for page in pages for record in page["records"]]

    def close(self) -> None:
        """Close the connections."""
        self.session.close()
