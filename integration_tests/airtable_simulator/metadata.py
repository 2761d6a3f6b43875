"""The endpoints that describe a token's user and the bases it sees.

See: https://airtable.com/developers/web/api/list-bases
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .access import check_scopes, open_base
from .account import WORKSPACE_ID
from .clock import to_wire_time
from .endpoints import Endpoint
from .iterators import build_page
from .listing import read_listing
from .wire import to_json

if TYPE_CHECKING:
    from aiohttp import web

    from .endpoints import Request
    from .simulator import Simulator


def show_user(_: Simulator, request: Request) -> bytes:
    """Show the token's user; its e-mail address and OAuth scopes only where Airtable does."""
    token = request.token
    shown: dict[str, Any] = {"id": token.user_id}
    if token.is_oauth:
        shown["scopes"] = sorted(token.scopes)
    if "user.email:read" in token.scopes:
        shown["email"] = token.email
    return to_json(shown)


def list_bases(simulator: Simulator, request: Request) -> bytes:
    """List the bases that a token sees."""
    check_scopes(request)
    account, token = simulator.account, request.token
    offset = request.body.get("offset") or None
    ids = [base.id for base in account.visible_bases(token)] if offset is None else []
    place = simulator.find_place(offset, ("bases", token.token), ids, request.fault)

    def show(base_id: str) -> bytes | None:
        base = account.bases.get(base_id)
        if base is None or not account.is_visible(base, token):
            return None
        return base.listing_json()

    return build_page("bases", place, simulator.settings.bases_page_size, show, request.fault)


async def read_includes(request: web.Request) -> list[str]:
    """Read what ``include`` asks for, with and without brackets."""
    query = request.rel_url.query
    return [*query.getall("include[]", []), *query.getall("include", [])]


def show_base(simulator: Simulator, request: Request) -> bytes:
    """Show a base, and its only collaborator: the token's user."""
    base, token = open_base(simulator, request), request.token
    created = to_wire_time(base.created_at, keeps_milliseconds=True)
    level = base.permission_level
    shown: dict[str, Any] = {
        "id": base.id,
        "name": base.name,
        "createdTime": created,
        "permissionLevel": level,
        "workspaceId": WORKSPACE_ID,
    }
    if "collaborators" in request.body:
        user = {
            "userId": token.user_id,
            "email": token.email,
            "permissionLevel": level,
            "createdTime": created,
            "grantedByUserId": token.user_id,
        }
        shown["individualCollaborators"] = {
            "baseCollaborators": [user],
            "workspaceCollaborators": [],
        }
        shown["groupCollaborators"] = {"baseCollaborators": [], "workspaceCollaborators": []}
    if "inviteLinks" in request.body:
        shown["inviteLinks"] = {"baseInviteLinks": [], "workspaceInviteLinks": []}
    if "interfaces" in request.body:
        shown["interfaces"] = {}
    return to_json(shown)


def show_schema(simulator: Simulator, request: Request) -> bytes:
    """Show the tables, fields and views of a base."""
    base = open_base(simulator, request)
    shows_visible = "visibleFieldIds" in request.body
    tables = [
        table.schema_json(has_visible_field_ids=shows_visible) for table in base.tables.values()
    ]
    return b'{"tables":[%s]}' % b",".join(tables)


PATH: Final = "/v0/meta/bases"
SchemaRead = partial(Endpoint, scopes=("schema.bases:read",), read=read_includes)
ENDPOINTS: Final = (
    Endpoint("whoami", "GET", "/v0/meta/whoami", show_user),
    SchemaRead("list_bases", "GET", PATH, list_bases, read=read_listing),
    SchemaRead("get_base", "GET", f"{PATH}/{{base}}", show_base),
    SchemaRead("base_schema", "GET", f"{PATH}/{{base}}/tables", show_schema),
)
