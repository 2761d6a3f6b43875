"""The simulator itself: takes a request, refuses what Airtable refuses, answers the rest."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from . import errors
from .access import WEBHOOKS, WRITES, open_base
from .account import Account
from .admin import run_command
from .admission import admit
from .answers import Answer, send, to_answer
from .clock import Clock, to_http_date
from .faults import Call, Faults, answer_instead, damage_answer
from .files import FileHost
from .iterators import Iterators
from .limits import Limits
from .listing import to_body
from .pages import Place, build_page
from .reads import Asked, perform_read
from .routes import GET_FILE, OAUTH_TOKEN, find_route
from .settings import Settings
from .stats import Stats
from .webhooks import answer_webhooks
from .wire import to_json
from .writes import perform_write

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .account import Base, PersonalAccessToken
    from .routes import Route

ADMIN_PREFIX: Final = "/_simulator/"
KNOWN_PARAMETERS: Final = frozenset(
    {"cellFormat", "fields", "filterByFormula", "include", "maxRecords", "offset", "pageSize"}
    | {
        "recordMetadata",
        "records",
        "returnFieldsByFieldId",
        "sort",
        "timeZone",
        "userLocale",
        "view",
    }
)


class Simulator:
    """An account, and the server that answers for it."""

    def __init__(self, settings: Settings | None = None, account: Account | None = None) -> None:
        """Serve an account, an empty one if none is given."""
        self.settings = settings or Settings()
        self.account = account or Account()
        self.clock = Clock()
        self.limits = Limits()
        self.iterators = Iterators()
        self.faults = Faults()
        self.files = FileHost()
        self.stats = Stats()
        self._jitter = random.Random(0)  # noqa: S311 - repeatable, not secret
        self._date = (0, "")

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.answer)
        app.on_response_prepare.append(self._set_date)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        raw_path = request.rel_url.raw_path
        if raw_path.startswith(ADMIN_PREFIX):
            return await run_command(self, raw_path.removeprefix(ADMIN_PREFIX), request)
        arrived_at = self.clock.now()
        route = find_route(request.method, raw_path)
        call = self._to_call(route, request)
        self.stats.begin(call)
        answer = Answer(status=0)
        try:
            # Decided at arrival, as Airtable does, so it comes before the latency.
            verdict = None
            if route.kind == GET_FILE:
                has_authorization = "Authorization" in request.headers
                self.stats.note_file(route.record, has_authorization=has_authorization)
            elif route.kind != OAUTH_TOKEN:
                verdict = admit(self, request, route, arrived_at)
            if self.settings.latency_ms or self.settings.jitter_ms:
                await asyncio.sleep(self._latency_seconds())
            answer = (
                verdict
                if isinstance(verdict, Answer)
                else await self._reply(request, route, verdict)
            )
            gzip = self.settings.gzip and route.kind != GET_FILE
            return await send(answer, request, gzip=gzip)
        finally:
            self.stats.end(call, answer.status, len(answer.body))

    def _to_call(self, route: Route, request: web.Request) -> dict[str, Any]:
        names = list(request.rel_url.query) if request.rel_url.raw_query_string else []
        for name in names:
            if name.partition("[")[0] not in KNOWN_PARAMETERS:
                self.stats.ignored_parameters[name] += 1
        table_id = route.table
        base = self.account.bases.get(route.base or "")
        if base is not None and table_id is not None:
            found = base.find_table(table_id)
            table_id = found.id if found else table_id
        return {
            "kind": route.kind,
            "method": request.method,
            "path": request.rel_url.path,
            "base": route.base,
            "table": table_id,
            "parameters": names,
            "fields": request.rel_url.query.getall("fields[]", []),
        }

    def _latency_seconds(self) -> float:
        jitter_ms = self._jitter.random() * self.settings.jitter_ms
        return (self.settings.latency_ms + jitter_ms) / 1000

    async def _set_date(self, _: web.Request, response: web.StreamResponse) -> None:
        if self.settings.date_header == "absent":
            response.headers.pop("Date", None)
            return
        second = int(self.clock.now() + self.settings.date_skew_seconds)
        if second != self._date[0]:
            self._date = (second, to_http_date(second))
        response.headers["Date"] = self._date[1]

    async def _reply(
        self, request: web.Request, route: Route, token: PersonalAccessToken | None
    ) -> Answer:
        try:
            body = await self._read_parameters(request, route)
            action = self.faults.action_for(self._to_fault_call(route, body))
            if action:
                self.stats.faults[action["kind"]] += 1
            instead = answer_instead(action)
            if instead is not None:
                self._begin_penalty(route, action)
                return instead
            if route.kind == GET_FILE:
                answer = self._give_file(request)
            elif token is None:
                answer = Answer(body=self._give_tokens(request, body))
            else:
                answer = Answer(body=self._find_answer(request, route, token, body, action))
            damage_answer(answer, action, self.faults.released)
        except errors.Refusal as refusal:
            return to_answer(refusal)
        return answer

    def _begin_penalty(self, route: Route, action: dict[str, Any]) -> None:
        if route.base is not None and "penalty_seconds" in action:
            until = self.clock.now() + float(action["penalty_seconds"])
            self.limits.penalise(route.base, until)

    def _give_tokens(self, request: web.Request, form: dict[str, str]) -> bytes:
        authorization = request.headers.get("Authorization", "")
        try:
            given = self.account.oauth.answer(form, authorization, self.settings, self.clock.now())
        except errors.Refusal as refusal:
            self.stats.renewals[refusal.body["error"]] += 1
            raise
        self.stats.renewals["granted"] += 1
        return to_json(given)

    def _give_file(self, request: web.Request) -> Answer:
        status = self.settings.expired_file_status
        path = request.rel_url.raw_path
        outcome, answer = self.files.answer(path, self.clock.now(), status)
        self.stats.files[outcome] += 1
        return answer

    async def _read_parameters(self, request: web.Request, route: Route) -> Any:  # noqa: ANN401 - any JSON
        if route.kind == OAUTH_TOKEN:
            # A body of another type has no fields for it, as for Airtable.
            return {name: str(given) for name, given in (await request.post()).items()}
        if route.kind == "sync_csv":
            return await request.read()
        if request.method in ("POST", "PATCH", "PUT"):
            try:
                return json.loads(await request.read() or b"{}")
            except ValueError:
                raise errors.Refusal(400, errors.to_error("INVALID_REQUEST_BODY")) from None
        query = request.rel_url.query
        if route.kind in ("list_records", "list_bases"):
            return to_body(query, list(query.items()))
        if route.kind == "delete_records":
            return {"records": [*query.getall("records[]", []), *query.getall("records", [])]}
        return dict(query)

    def _to_fault_call(self, route: Route, body: Any) -> Call:  # noqa: ANN401 - any JSON
        bases: tuple[str, ...] = ()
        tables: tuple[str, ...] = ()
        if route.base is not None:
            base = self.account.bases.get(route.base)
            bases = (route.base, base.name) if base else (route.base,)
            table = base.find_table(route.table) if base and route.table is not None else None
            tables = (table.id, table.name) if table else (route.table or "",)
        offset = body.get("offset") if isinstance(body, dict) else None
        page = self.iterators.page_number(offset if isinstance(offset, str) else None)
        return Call(route.kind, bases, tables, page, route.record)

    def _find_answer(
        self,
        request: web.Request,
        route: Route,
        token: PersonalAccessToken,
        body: Any,  # noqa: ANN401 - any JSON
        action: dict[str, Any],
    ) -> bytes:
        if route.kind == "whoami":
            return self._whoami(token)
        if route.kind == "list_bases":
            return self._list_bases(token, body.get("offset"), action)
        if route.kind in WRITES:
            return perform_write(self, route, token, body)
        base = open_base(self.account, route, token)
        if route.kind in WEBHOOKS:
            return answer_webhooks(self, base, route, token)
        if route.kind == "base_schema":
            query = request.rel_url.query
            includes = [*query.getall("include[]", []), *query.getall("include", [])]
            return self._base_schema(base, includes)
        return perform_read(self, base, Asked(route, body, action, f"http://{request.host}"))

    def _whoami(self, token: PersonalAccessToken) -> bytes:
        shown: dict[str, Any] = {"id": token.user_id}
        if token.is_oauth:
            shown["scopes"] = sorted(token.scopes)
        if "user.email:read" in token.scopes:
            shown["email"] = token.email
        return to_json(shown)

    def _list_bases(
        self, token: PersonalAccessToken, offset: str | None, action: dict[str, Any]
    ) -> bytes:
        if "schema.bases:read" not in token.scopes:
            raise errors.permission_or_model()
        bound_to = ("bases", token.token)
        ids = [base.id for base in self.account.visible_bases(token)] if offset is None else []
        place = self.to_place(offset, bound_to, ids, action)

        def show(base_id: str) -> bytes | None:
            base = self.account.bases.get(base_id)
            if base is None or not self.account.is_visible(base, token):
                return None
            return base.listing_json()

        return build_page("bases", place, self.settings.bases_page_size, show, action)

    def _base_schema(self, base: Base, includes: Sequence[str]) -> bytes:
        wants_visible = "visibleFieldIds" in includes
        tables = [
            table.schema_json(has_visible_field_ids=wants_visible) for table in base.tables.values()
        ]
        return b'{"tables":[%s]}' % b",".join(tables)

    def to_place(
        self,
        offset: str | None,
        bound_to: Hashable,
        ids: Sequence[str],
        action: dict[str, Any],
    ) -> Place:
        """Where a listing goes on, or begins with these members.

        Raises: ``Refusal`` 422 for an offset that is stale, or of another listing.
        """
        now = self.clock.now()
        if offset is None:
            return Place(self.iterators.begin(bound_to, ids, now), 0, 1, None)
        if action.get("kind") == "expire_iterator":
            self.iterators.expire(offset.partition("/")[0])
        idle_seconds = self.settings.iterator_idle_seconds
        iterator, position, page = self.iterators.go_on(offset, bound_to, now, idle_seconds)
        return Place(iterator, position, page, offset)
