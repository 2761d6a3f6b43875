"""The simulator's commands from Python."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

CALL_SECONDS = 120.0
Reply = dict[str, Any]


class CommandRefusedError(Exception):
    """The simulator cannot do a command."""


class AdminClient:
    """Commands to one simulator. Bases and fields are named by id, tables by id or name."""

    def __init__(self, url: str) -> None:
        """Command the simulator at a URL."""
        self._url = url
        # No proxy of the environment may see calls to 127.0.0.1.
        self._opener = build_opener(ProxyHandler({}))

    def call(self, command: str, /, **arguments: Any) -> Reply:  # noqa: ANN401 - JSON
        """Run any command. Each method below runs one.

        Raises: ``CommandRefusedError`` with the simulator's sentence.
        """
        body = json.dumps(arguments).encode()
        request = Request(f"{self._url}/_simulator/{command}", data=body, method="POST")  # noqa: S310 - always http on 127.0.0.1
        try:
            with self._opener.open(request, timeout=CALL_SECONDS) as reply:
                answer: Reply = json.loads(reply.read())
        except HTTPError as error:
            with error:
                raise CommandRefusedError(json.loads(error.read())["error"]) from None
        return answer

    def load(self, document: dict[str, Any]) -> list[str]:
        """Add bases, or replace those with the same ids. Return the ids."""
        ids: list[str] = self.call("load", **document)["base_ids"]
        return ids

    def load_synthetic(self, **figures: int) -> list[str]:
        """Add generated bases: bases, tables, records, fields, cell_bytes."""
        ids: list[str] = self.call("load_synthetic", **figures)["base_ids"]
        return ids

    def create_record(
        self,
        base: str,
        table: str,
        fields: dict[str, Any],
        **more: Any,  # noqa: ANN401 - JSON
    ) -> Reply:
        """Create a record.

        More: id, createdTime, lastModifiedTime (null: blank), commentCount or comments, source.
        """
        return self.call("create_record", base=base, table=table, fields=fields, **more)

    def edit_record(
        self,
        base: str,
        table: str,
        record: str,
        fields: dict[str, Any],
        *,
        is_user_edit: bool = True,
        **more: Any,  # noqa: ANN401 - JSON
    ) -> Reply:
        """Change cells. Without ``is_user_edit`` the modified time stays, as after a recomputation.

        More: createdTime, lastModifiedTime (null: blank), commentCount, source (as in webhooks).
        """
        where = {"base": base, "table": table, "record": record}
        return self.call("edit_record", **where, fields=fields, is_user_edit=is_user_edit, **more)

    def delete_record(self, base: str, table: str, record: str) -> None:
        """Delete a record."""
        self.call("delete_record", base=base, table=table, record=record)

    def restore_record(self, base: str, table: str, record: str) -> None:
        """Bring a deleted record back, at the end, with the cells and times that it had."""
        self.call("restore_record", base=base, table=table, record=record)

    def create_records(self, base: str, table: str, records: list[dict[str, Any]]) -> list[str]:
        """Create records by one action and return their ids.

        Keys of a record: fields; optional: id, createdTime, lastModifiedTime.
        """
        ids: list[str] = self.call("create_records", base=base, table=table, records=records)["ids"]
        return ids

    def edit_records(
        self,
        base: str,
        table: str,
        records: dict[str, dict[str, Any]],
        *,
        is_user_edit: bool = True,
    ) -> None:
        """Change cells by record id, by one action, as `edit_record` does."""
        where = {"base": base, "table": table}
        self.call("edit_records", **where, records=records, is_user_edit=is_user_edit)

    def delete_records(self, base: str, table: str, records: list[str]) -> None:
        """Delete records by one action."""
        self.call("delete_records", base=base, table=table, records=records)

    def add_comment(self, base: str, table: str, record: str, text: str, **more: Any) -> Reply:  # noqa: ANN401 - JSON
        """Add a comment. More: id, author, createdTime, parentCommentId, reactions."""
        where = {"base": base, "table": table, "record": record}
        return self.call("add_comment", **where, comment={"text": text, **more})

    def edit_comment(
        self,
        base: str,
        table: str,
        record: str,
        comment: str,
        **changes: Any,  # noqa: ANN401 - JSON
    ) -> Reply:
        """Change a comment's text or reactions."""
        where = {"base": base, "table": table, "record": record}
        return self.call("edit_comment", **where, comment=comment, changes=changes)

    def delete_comment(self, base: str, table: str, record: str, comment: str) -> None:
        """Delete a comment. Its replies stay."""
        where = {"base": base, "table": table, "record": record}
        self.call("delete_comment", **where, comment=comment)

    def expire_attachment(self, attachment: str, *, is_renewable: bool = True) -> None:
        """Make listings show an expired URL. Get record shows a valid one.

        Without ``is_renewable`` the URL of get record is expired too.
        """
        self.call("expire_attachment", attachment=attachment, is_renewable=is_renewable)

    def rename_base(self, base: str, name: str) -> None:
        """Rename a base."""
        self.call("change_base", base=base, name=name)

    def set_permission_level(self, base: str, level: str) -> None:
        """Set the user's permission level in a base: none, read, comment, edit or create."""
        self.call("change_base", base=base, permissionLevel=level)

    def share_base(self, base: str) -> None:
        """Share a base again."""
        self.call("change_base", base=base, is_shared=True)

    def unshare_base(self, base: str) -> None:
        """Hide a base from every token."""
        self.call("change_base", base=base, is_shared=False)

    def delete_base(self, base: str) -> None:
        """Delete a base."""
        self.call("delete_base", base=base)

    def rename_table(self, base: str, table: str, name: str) -> None:
        """Rename a table."""
        self.call("rename_table", base=base, table=table, name=name)

    def add_table(self, base: str, document: dict[str, Any]) -> str:
        """Add a table in the bases' JSON, with its records. Return its id."""
        table_id: str = self.call("add_table", base=base, document=document)["id"]
        return table_id

    def duplicate_table(self, base: str, table: str, name: str | None = None) -> str:
        """Copy a table with its records. Return the id of the copy; all its ids are new."""
        table_id: str = self.call("duplicate_table", base=base, table=table, name=name)["id"]
        return table_id

    def delete_table(self, base: str, table: str) -> None:
        """Delete a table."""
        self.call("delete_table", base=base, table=table)

    def restore_table(self, base: str, table: str) -> None:
        """Bring back a deleted table, named by its id."""
        self.call("restore_table", base=base, table=table)

    def add_sync(self, base: str, table: str) -> str:
        """Set up the Sync API for a table, which Airtable does by hand. Return the sync's id."""
        sync_id: str = self.call("add_sync", base=base, table=table)["id"]
        return sync_id

    def add_field(self, base: str, table: str, field: dict[str, Any]) -> Reply:
        """Add a field: name, type, options; optional: id."""
        return self.call("add_field", base=base, table=table, field=field)

    def rename_field(self, base: str, table: str, field: str, name: str) -> Reply:
        """Rename a field."""
        return self.change_field(base, table, field, name=name)

    def retype_field(
        self,
        base: str,
        table: str,
        field: str,
        field_type: str,
        options: dict[str, Any] | None = None,
    ) -> Reply:
        """Change a field's type. Its cells stay."""
        return self.change_field(base, table, field, type=field_type, options=options)

    def change_field(
        self,
        base: str,
        table: str,
        field: str,
        **changes: Any,  # noqa: ANN401 - JSON
    ) -> Reply:
        """Change a field's name, type, options or description."""
        return self.call("change_field", base=base, table=table, field=field, changes=changes)

    def delete_field(self, base: str, table: str, field: str) -> None:
        """Delete a field and its cells."""
        self.call("delete_field", base=base, table=table, field=field)

    def add_token(self, **options: Any) -> str:  # noqa: ANN401 - JSON
        """Add a token and return it. Options: scopes, base_ids (absent: all), user_id, is_oauth."""
        token: str = self.call("add_token", **options)["token"]
        return token

    def set_token_scopes(self, *scopes: str, token: str | None = None) -> None:
        """Set the scopes of a token, or of the default token."""
        self.call("change_token", token=token, scopes=list(scopes))

    def set_token_bases(self, *base_ids: str, token: str | None = None) -> None:
        """Set the bases that a token, or the default token, sees."""
        self.call("change_token", token=token, base_ids=list(base_ids))

    def revoke_token(self, token: str | None = None) -> None:
        """Revoke a token, or the default token."""
        self.call("revoke_token", token=token)

    def add_oauth_client(self, client_id: str, client_secret: str | None = None) -> None:
        """Add an OAuth client. Without a secret it is public."""
        self.call("add_oauth_client", client_id=client_id, client_secret=client_secret)

    def add_oauth_grant(self, client_id: str, **options: Any) -> Reply:  # noqa: ANN401 - JSON
        """Add a grant. Return grant, access_token and refresh_token.

        Options: scopes, base_ids, user_id.
        """
        return self.call("add_oauth_grant", client_id=client_id, **options)

    def show_oauth_grant(self, grant: str) -> Reply:
        """A grant's current tokens, and whether it is revoked."""
        return self.call("show_oauth_grant", grant=grant)

    def expire_access_token(self, grant: str) -> None:
        """End a grant's access token now."""
        self.call("expire_access_token", grant=grant)

    def revoke_oauth_grant(self, grant: str) -> None:
        """End a grant and all its tokens."""
        self.call("revoke_oauth_grant", grant=grant)

    def add_webhook(
        self,
        base: str,
        *,
        specification: dict[str, Any] | None = None,
        notification_url: str | None = None,
        token: str | None = None,
    ) -> str:
        """Add a webhook of another client, or of a token, and return its id."""
        wanted = {"specification": specification, "notification_url": notification_url}
        wanted["token"] = token
        given = {name: value for name, value in wanted.items() if value is not None}
        webhook: str = self.call("add_webhook", base=base, **given)["id"]
        return webhook

    def fill_webhooks(self, base: str) -> list[str]:
        """Take all places of a base with webhooks of another client. Return their ids."""
        added: list[str] = self.call("fill_webhooks", base=base)["webhooks"]
        return added

    def drop_webhooks(self, base: str, webhook: str | None = None) -> list[str]:
        """Delete one webhook or all of them. Return the ids."""
        return self._command_webhooks("drop_webhooks", base, webhook)

    def disable_webhooks(self, base: str, webhook: str | None = None) -> list[str]:
        """Disable one webhook or all of them: no new payloads, and gone after seven days."""
        return self._command_webhooks("disable_webhooks", base, webhook)

    def expire_webhooks(self, base: str, webhook: str | None = None) -> list[str]:
        """Let one webhook or all of them expire now, as if nobody had read them for seven days."""
        return self._command_webhooks("expire_webhooks", base, webhook)

    def fail_webhooks(
        self, base: str, webhook: str | None = None, *, code: str = "INVALID_HOOK"
    ) -> list[str]:
        """Put one webhook or all of them in error.

        Codes: INVALID_FILTERS, INVALID_HOOK and INTERNAL_ERROR.
        """
        return self._command_webhooks("fail_webhooks", base, webhook, code=code)

    def add_payloads(self, base: str, count: int, webhook: str | None = None) -> list[str]:
        """Add payloads without changes to one webhook or to all of them."""
        return self._command_webhooks("add_payloads", base, webhook, count=count)

    def webhooks(self, base: str) -> list[Reply]:
        """The webhooks of a base.

        Keys: id, specification, notification_url, is_enabled, error_code, expires_at, first_number
        and next_number.
        """
        shown: list[Reply] = self.call("show_webhooks", base=base)["webhooks"]
        return shown

    def _command_webhooks(
        self,
        command: str,
        base: str,
        webhook: str | None,
        **more: Any,  # noqa: ANN401 - JSON
    ) -> list[str]:
        ids: list[str] = self.call(command, base=base, webhook=webhook, **more)["webhooks"]
        return ids

    def set_clock(self, at: str | float | None = None) -> float:
        """Stop the clock at a moment (ISO 8601 or seconds), or now. Return the time."""
        now: float = self.call("set_clock", at=at)["now"]
        return now

    def run_clock(self) -> None:
        """Let the clock run again."""
        self.call("set_clock", run=True)

    def advance_clock(self, seconds: float) -> float:
        """Move the clock forward. Return the time."""
        now: float = self.call("advance_clock", seconds=seconds)["now"]
        return now

    def expire_iterators(self) -> int:
        """Expire all offsets. Return how many scans there were."""
        expired: int = self.call("expire_iterators")["expired"]
        return expired

    def plan_fault(  # noqa: PLR0913 - each is a part of the rule
        self,
        kind: str,
        action: str,
        *,
        base: str | None = None,
        table: str | None = None,
        record: str | None = None,
        page: int | None = None,
        nth: int | None = None,
        times: int | None = 1,
        probability: float = 1.0,
        seed: int = 0,
        **details: Any,  # noqa: ANN401 - JSON
    ) -> int:
        """Plan a fault for calls of a kind and return its id. ``times`` None: every time.

        For the kind ``get_file``, ``record`` is an attachment's id.
        """
        wanted: dict[str, Any] = {"kind": kind, "base": base, "table": table, "record": record}
        wanted |= {"page": page, "nth": nth}
        fault = {
            "match": {name: value for name, value in wanted.items() if value is not None},
            "action": {"kind": action, **details},
            "times": times,
            "probability": probability,
            "seed": seed,
        }
        planned: int = self.call("plan_faults", faults=[fault])["faults"][0]["id"]
        return planned

    def faults(self) -> list[Reply]:
        """The planned faults with their counts."""
        rules: list[Reply] = self.call("show_faults")["faults"]
        return rules

    def clear_faults(self) -> None:
        """Drop all planned faults."""
        self.call("clear_faults")

    def release_answers(self) -> None:
        """Send the answers that the fault ``hold`` holds."""
        self.call("release_answers")

    def configure(self, **changes: Any) -> None:  # noqa: ANN401 - JSON
        """Change settings, by the names in ``settings.Settings``."""
        self.call("configure", **changes)

    def forget_limits(self) -> None:
        """Lift all penalties. Count the second and the month from zero."""
        self.call("forget_limits")

    def stats(self, last: int = 100) -> Reply:
        """The counts and the last calls, oldest first."""
        return self.call("stats", last=last)

    def reset_stats(self) -> None:
        """Count from zero."""
        self.call("reset_stats")

    def dump(self, base: str, table: str) -> list[Reply]:
        """All records of a table with their modified times. Cells are keyed by field id."""
        records: list[Reply] = self.call("dump", base=base, table=table)["records"]
        return records
