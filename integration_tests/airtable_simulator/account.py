"""The account that the simulator serves: bases, and the tokens that may see them.

A table is (base id, table id) everywhere: a duplicated base may keep its table and record ids.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from .changes import Changes
from .ids import make_id
from .oauth import OauthServer
from .record import Cells, Projection, Record
from .table import FieldDict, Table, UnknownModelError
from .tokens import READ_SCOPES, PersonalAccessToken
from .webhook_log import Webhook
from .wire import to_json

__all__ = [
    "READ_SCOPES",
    "Account",
    "Base",
    "Cells",
    "FieldDict",
    "PersonalAccessToken",
    "Projection",
    "Record",
    "Table",
    "UnknownModelError",
    "Webhook",
]

DEFAULT_TOKEN: Final = ".".join(("pat" + "Simulator00000", "5" * 64))
"""In two parts, so that secret scanners do not report it."""
WRITE_SCOPES: Final = (
    *READ_SCOPES,
    "data.records:write",
    "data.recordComments:write",
    "schema.bases:write",
    "webhook:manage",
)
FIRST_TRANSACTION: Final = 30
"""Not 1, because a transaction's number has nothing to do with a payload's."""
WORKSPACE_ID: Final = "wspSimulator00000"
"""The only workspace in which bases can be created."""


class Base:
    """A base and its tables by id."""

    def __init__(self, document: dict[str, Any], now: float) -> None:
        """Take a base in the shape ``{id, name, permissionLevel?, tables: […]}``."""
        self.id: str = document["id"]
        self.name: str = document["name"]
        self.permission_level: str = document.get("permissionLevel", "create")
        self.is_shared = True
        self.created_at = now
        self.tables: dict[str, Table] = {}
        self.sync_ids: dict[str, str] = {}
        """By the id of a Sync API endpoint: the table that it fills."""
        self.webhooks: dict[str, Webhook] = {}
        self.trash: dict[str, Table] = {}
        """Deleted tables, which can be restored."""
        self.changes = Changes(self.webhooks)
        self.transactions = FIRST_TRANSACTION
        """Counts the actions that were noted for webhooks."""
        for given in document.get("tables") or ():
            self.add_table(Table(given, now))

    def add_table(self, table: Table) -> None:
        """Add a table at the end."""
        self.tables[table.id] = table
        table.changes = self.changes
        self.changes.create_table(table.id)

    def delete_table(self, table: Table) -> None:
        """Delete a table. Only `restore_table` can bring it back."""
        self.trash[table.id] = self.tables.pop(table.id)
        self.changes.destroy_table(table.id)

    def restore_table(self, table_id: str) -> Table:
        """Bring a deleted table back with its records."""
        if table_id not in self.trash:
            raise UnknownModelError(f"base {self.id} has no deleted table {table_id}")
        if table_id in self.tables:
            raise ValueError(f"base {self.id} has a table {table_id} already")
        restored = self.trash.pop(table_id)
        self.add_table(restored)
        return restored

    def drop_gone_webhooks(self, now: float) -> None:
        """Drop the webhooks that are disabled for too long."""
        for webhook in list(self.webhooks.values()):
            if webhook.is_gone(now):
                del self.webhooks[webhook.id]

    def find_table(self, name_or_id: str) -> Table | None:
        """The table with this id or name. A name matches whatever its case."""
        known = self.tables.get(name_or_id)
        if known is not None:
            return known
        # An exact match comes first: documents may hold names that differ in case only.
        exact = (table for table in self.tables.values() if table.name == name_or_id)
        name = name_or_id.casefold()
        alike = (table for table in self.tables.values() if table.name.casefold() == name)
        return next(chain(exact, alike), None)

    def table(self, name_or_id: str) -> Table:
        """The table that a command names."""
        found = self.find_table(name_or_id)
        if found is None:
            raise UnknownModelError(f"base {self.id} has no table {name_or_id}")
        return found

    def listing_json(self) -> bytes:
        """The base as the list of bases shows it."""
        level = self.permission_level
        return to_json({"id": self.id, "name": self.name, "permissionLevel": level})


class Account:
    """All bases and tokens, and the OAuth server."""

    def __init__(self) -> None:
        """Start with no base and one token that reads everything."""
        self.bases: dict[str, Base] = {}
        self.tokens: dict[str, PersonalAccessToken] = {}
        self.oauth = OauthServer(self.tokens)
        self._made = 0
        self.add_token(DEFAULT_TOKEN)

    def load(self, document: dict[str, Any], now: float) -> list[str]:
        """Add bases, or replace those with the same ids. Return the ids.

        Shape: ``{"bases": [{"id", "name", "tables": [{…, "records": [{"id", "fields"}]}]}]}``.
        """
        loaded = [Base(given, now) for given in document["bases"]]
        self.bases |= {base.id: base for base in loaded}
        return [base.id for base in loaded]

    def make_id(self, prefix: str) -> str:
        """A new id."""
        self._made += 1
        return make_id(prefix, "made", self._made)

    def base(self, base_id: str) -> Base:
        """The base that a command names."""
        try:
            return self.bases[base_id]
        except KeyError:
            raise UnknownModelError(f"there is no base {base_id}") from None

    def add_token(
        self,
        token: str | None = None,
        *,
        scopes: tuple[str, ...] = READ_SCOPES,
        base_ids: tuple[str, ...] | None = None,
        user_id: str = "usrSimulatedUser1",
        is_oauth: bool = False,
    ) -> PersonalAccessToken:
        """Add a token. Without one, its text is made up."""
        made = token or f"{make_id('pat', len(self.tokens))}.{'0' * 64}"
        self.tokens[made] = added = PersonalAccessToken(
            token=made,
            scopes=frozenset(scopes),
            base_ids=None if base_ids is None else frozenset(base_ids),
            user_id=user_id,
            is_oauth=is_oauth,
        )
        return added

    def token(self, token: str | None) -> PersonalAccessToken:
        """The token that a command names, or the default token."""
        try:
            return self.tokens[token or DEFAULT_TOKEN]
        except KeyError:
            raise UnknownModelError("there is no such token") from None

    def visible_bases(self, token: PersonalAccessToken) -> list[Base]:
        """The bases that a token sees, in the order in which they were loaded."""
        return [base for base in self.bases.values() if self.is_visible(base, token)]

    def is_visible(self, base: Base, token: PersonalAccessToken) -> bool:
        """Whether a base is shared and the token has access to it."""
        return base.is_shared and (token.base_ids is None or base.id in token.base_ids)
