"""Who may do what: the scopes and the role in the base that each endpoint asks for.

See: https://airtable.com/developers/web/api/scopes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .ids import BASE_ID

if TYPE_CHECKING:
    from .account import Account, Base, PersonalAccessToken
    from .routes import Route

WRITES_RECORDS: Final = frozenset(
    {"create_records", "update_records", "replace_records", "delete_records", "sync_csv"}
)
WRITES_SCHEMA: Final = frozenset({"create_table", "update_table", "create_field", "update_field"})
WEBHOOKS: Final = frozenset({"create_webhook", "delete_webhook", "list_webhooks"})
WRITES: Final = (
    WRITES_RECORDS | WRITES_SCHEMA | {"create_base", "create_comment", "upload_attachment"}
)
SCOPES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(WRITES_RECORDS, ("data.records:write",)),
    **dict.fromkeys(WRITES_SCHEMA, ("schema.bases:write",)),
    **dict.fromkeys(WEBHOOKS, ("webhook:manage",)),
    "base_schema": ("schema.bases:read",),
    "create_comment": ("data.recordComments:write",),
    "list_comments": ("data.recordComments:read",),
    "sync_csv": ("data.records:write", "schema.bases:write"),
    "upload_attachment": ("data.records:write",),
}
"""By kind of route; records are read with ``data.records:read``."""
EDITORS: Final = ("edit", "create")
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(WRITES_RECORDS, EDITORS),
    **dict.fromkeys(WRITES_SCHEMA, ("create",)),
    "create_comment": ("comment", *EDITORS),
    "create_webhook": ("create",),
    "delete_webhook": ("create",),
    "sync_csv": ("create",),
    "upload_attachment": EDITORS,
}
"""Permission levels that suffice, where not every level but ``none`` does."""


def open_base(account: Account, route: Route, token: PersonalAccessToken) -> Base:
    """The base of a request.

    Raises: ``Refusal`` 404 for an id that is none, 403 for what is not there or not allowed.
    """
    if route.base is None or not BASE_ID.fullmatch(route.base):
        raise errors.not_found()
    base = account.bases.get(route.base)
    if (
        base is None
        or not token.scopes.issuperset(SCOPES.get(route.kind, ("data.records:read",)))
        or base.permission_level == "none"
        or base.permission_level not in LEVELS.get(route.kind, (base.permission_level,))
        or not account.is_visible(base, token)
    ):
        raise errors.permission_or_model()
    return base
