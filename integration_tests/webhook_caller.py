"""A bare caller of a base's webhooks, for the simulator's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from integration_tests.airtable_simulator.caller import CALL_SECONDS, Caller

if TYPE_CHECKING:
    from integration_tests.airtable_simulator import SimulatorThread

Json = dict[str, Any]

DATA_TYPES: Final = ("tableData", "tableFields")


def a_specification(*data_types: str, **filters: Any) -> Json:  # noqa: ANN401 - JSON
    """A specification; without data types it has the records and the fields."""
    wanted = {"dataTypes": list(data_types or DATA_TYPES), **filters}
    return {"options": {"filters": wanted}}


class WebhookCaller:
    """Calls the webhooks of one base with one token."""

    def __init__(self, simulator: SimulatorThread, base: str, token: str | None = None) -> None:
        """Call with the simulator's own token if no other is given."""
        self._caller = Caller(simulator, token)
        self._base = base

    def call(self, method: str, *path: str, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - as of requests
        """The status and the body of an answer. An empty body is None."""
        url = self._caller.path("bases", self._base, "webhooks", *path)
        answer = self._caller.session.request(method, url, timeout=CALL_SECONDS, **more)
        return answer.status_code, answer.json() if answer.content else None

    def create(self, *data_types: str, **filters: Any) -> str:  # noqa: ANN401 - JSON
        """Create a webhook and return its id."""
        body = {"specification": a_specification(*data_types, **filters)}
        status, made = self.call("POST", json=body)
        assert status == 200, made
        key: str = made["id"]
        return key

    def listed(self) -> list[Json]:
        """The webhooks that the token is shown."""
        _, body = self.call("GET")
        shown: list[Json] = body["webhooks"]
        return shown

    def page(self, webhook: str, **query: Any) -> tuple[int, Any]:  # noqa: ANN401 - a query
        """The status and the body of one page of payloads."""
        return self.call("GET", webhook, "payloads", params=query)

    def payloads(self, webhook: str, cursor: int = 1) -> list[Json]:
        """Every payload from a cursor on."""
        found: list[Json] = []
        while True:
            status, body = self.page(webhook, cursor=cursor)
            assert status == 200, body
            assert body["payloads"] or not body["mightHaveMore"], "an empty page is the last one"
            found += body["payloads"]
            cursor = body["cursor"]
            if not body["mightHaveMore"]:
                return found

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()
