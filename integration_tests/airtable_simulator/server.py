"""The HTTP server: passes each request to its endpoint, and applies latency and planned faults."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .access import admit
from .answers import Answer, send, to_answer
from .clock import to_http_date
from .endpoints import Arrival, Endpoints, Request
from .faults import Call, answer_instead, damage_answer
from .payloads import report_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from .endpoints import Endpoint
    from .simulator import Simulator
    from .tokens import PersonalAccessToken

KNOWN_PARAMETERS: Final = frozenset(
    {"cellFormat", "fields", "filterByFormula", "include", "maxRecords", "offset", "pageSize"}
    | {
        "cursor",
        "limit",
        "recordMetadata",
        "records",
        "returnFieldsByFieldId",
        "sort",
        "timeZone",
        "userLocale",
        "view",
    }
)


class Server:
    """Answers requests for the endpoints that are registered with it."""

    def __init__(self, simulator: Simulator, endpoints: Iterable[Endpoint]) -> None:
        """Serve these endpoints."""
        self._simulator = simulator
        self._endpoints = Endpoints(endpoints)
        self._jitter = random.Random(0)  # noqa: S311 - repeatable, not secret
        self._date = (0, "")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        simulator = self._simulator
        arrived_at = simulator.clock.now()
        endpoint, names = self._endpoints.find(request.method, request.rel_url.raw_path)
        arrival = Arrival(
            endpoint=endpoint,
            names=names,
            at=arrived_at,
            authorization=request.headers.get("Authorization", ""),
            url_length=len(request.rel_url.raw_path_qs),
        )
        call = self._to_call(arrival, request)
        simulator.stats.begin(call)
        answer = Answer(status=0)
        try:
            # Airtable decides at arrival, so this comes before the latency.
            verdict = (endpoint.admit or admit)(simulator, arrival)
            if seconds := self._latency_seconds(request):
                await asyncio.sleep(seconds)
            answer = (
                verdict
                if isinstance(verdict, Answer)
                else await self._respond(request, arrival, verdict)
            )
            return await send(answer, request, gzip=simulator.settings.gzip)
        finally:
            simulator.stats.end(call, answer.status, len(answer.body))

    def _to_call(self, arrival: Arrival, request: web.Request) -> dict[str, Any]:
        parameters = list(request.rel_url.query) if request.rel_url.raw_query_string else []
        for parameter in parameters:
            if parameter.partition("[")[0] not in KNOWN_PARAMETERS:
                self._simulator.stats.ignored_parameters[parameter] += 1
        base_id, table_id = arrival.names.get("base"), arrival.names.get("table")
        base = self._simulator.account.bases.get(base_id or "")
        if base is not None and table_id is not None:
            found = base.find_table(table_id)
            table_id = found.id if found else table_id
        return {
            "kind": arrival.endpoint.kind,
            "method": request.method,
            "path": request.rel_url.path,
            "base": base_id,
            "table": table_id,
            "parameters": parameters,
            "fields": request.rel_url.query.getall("fields[]", []),
        }

    def _latency_seconds(self, request: web.Request) -> float:
        settings = self._simulator.settings
        milliseconds = settings.latency_ms + self._jitter.random() * settings.jitter_ms
        if "filterByFormula" in request.rel_url.query:
            milliseconds += settings.filter_latency_ms
        return milliseconds / 1000

    async def set_date(self, _: web.Request, response: web.StreamResponse) -> None:
        """Send the simulator's time as ``Date``, or no ``Date`` at all."""
        settings = self._simulator.settings
        if settings.date_header == "absent":
            response.headers.pop("Date", None)
            return
        second = int(self._simulator.clock.now() + settings.date_skew_seconds)
        if second != self._date[0]:
            self._date = (second, to_http_date(second))
        response.headers["Date"] = self._date[1]

    async def _respond(
        self, request: web.Request, arrival: Arrival, token: PersonalAccessToken
    ) -> Answer:
        simulator, endpoint = self._simulator, arrival.endpoint
        try:
            body = await endpoint.read(request)
            fault = simulator.faults.action_for(self._to_fault_call(arrival, body))
            if fault:
                simulator.stats.faults[fault["kind"]] += 1
            instead = answer_instead(fault)
            if instead is not None:
                self._begin_penalty(arrival.names, fault)
                return instead
            asked = Request(
                endpoint=endpoint,
                names=arrival.names,
                token=token,
                body=body,
                fault=fault,
                origin=f"http://{request.host}",
                raw_path=request.rel_url.raw_path,
                authorization=arrival.authorization,
            )
            if endpoint.prepare is not None:
                await endpoint.prepare(simulator, asked)
            given = endpoint.respond(simulator, asked)
        except errors.Refusal as refusal:
            return to_answer(refusal)
        finally:
            report_changes(simulator, arrival.names.get("base"), endpoint.source, token)
        answer = given if isinstance(given, Answer) else Answer(body=given)
        damage_answer(answer, fault, simulator.faults.released)
        return answer

    def _begin_penalty(self, names: Mapping[str, str], fault: Mapping[str, Any]) -> None:
        if "base" in names and "penalty_seconds" in fault:
            until = self._simulator.clock.now() + float(fault["penalty_seconds"])
            self._simulator.limits.penalise(names["base"], until)

    def _to_fault_call(self, arrival: Arrival, body: Any) -> Call:  # noqa: ANN401 - any JSON
        names = arrival.names
        bases: tuple[str, ...] = ()
        tables: tuple[str, ...] = ()
        if "base" in names:
            base = self._simulator.account.bases.get(names["base"])
            bases = (names["base"], base.name) if base else (names["base"],)
            table = base.find_table(names["table"]) if base and "table" in names else None
            tables = (table.id, table.name) if table else (names.get("table", ""),)
        offset = body.get("offset") if isinstance(body, dict) else None
        page = self._simulator.iterators.page_number(offset if isinstance(offset, str) else None)
        record = names.get("record", names.get("attachment", names.get("webhook")))
        return Call(arrival.endpoint.kind, bases, tables, page, record)
