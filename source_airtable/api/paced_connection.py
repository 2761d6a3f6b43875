"""Connections that open first, then ask whether a request may leave, then send its bytes.

`requests` opens connections after the session has let a request go. Opening one takes two to three
round trips, so that the first requests to a base would arrive later than those which follow on the
open connections, and more than 5 of them within one second. So these connections open before they
ask whether the base is shut, and date a request when its bytes have left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from airbyte_cdk.sources.http_config import MAX_CONNECTION_POOL_SIZE
from airbyte_cdk.sources.streams.call_rate import LimiterSession
from airbyte_cdk.sources.streams.http.tcp_keepalive import TcpKeepaliveHTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from source_airtable.api.slots import leave_slot_of_this_thread, slot_of_this_thread

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from source_airtable.api.rate_limit import AirtableBudget


class _PacedConnection(HTTPConnection):
    """Sends a request when its slot lets it go; a request without a slot goes at once."""

    _way_through_proxy: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def set_tunnel(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the base's
        """Remember the way through a proxy, which `close` forgets."""
        self._way_through_proxy = (arguments, options)
        super().set_tunnel(*arguments, **options)

    def request(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the base's
        """Send a request over an open connection, when it may leave."""
        slot = slot_of_this_thread()
        if slot is None:
            super().request(*arguments, **options)
            return
        if self.is_closed:
            self.connect()
        # The server may have closed the connection during a long wait. One over TLS 1.3 that has
        # answered nothing yet looks closed, too, and is opened once more in vain.
        while slot.wait_while_shut() and not self.is_connected:
            self._reconnect()
        try:
            super().request(*arguments, **options)
        finally:
            # After the bytes have left, so that what delays them widens the gap to later ones.
            # Where sending failed, some of them may have arrived.
            slot.depart()

    def _reconnect(self) -> None:
        self.close()
        if self._way_through_proxy is not None:
            arguments, options = self._way_through_proxy
            super().set_tunnel(*arguments, **options)
        self.connect()


class _PacedHTTPSConnection(_PacedConnection, HTTPSConnection):
    """The same over TLS."""


class _PacedHTTPConnectionPool(HTTPConnectionPool):
    ConnectionCls = _PacedConnection


class _PacedHTTPSConnectionPool(HTTPSConnectionPool):
    ConnectionCls = _PacedHTTPSConnection


_POOL_CLASSES = {"http": _PacedHTTPConnectionPool, "https": _PacedHTTPSConnectionPool}


class PacedAdapter(TcpKeepaliveHTTPAdapter):
    """The CDK's adapter, with its pool size and TCP keepalive, over paced connections."""

    poolmanager: PoolManager

    def __init__(self) -> None:
        super().__init__(
            pool_connections=MAX_CONNECTION_POOL_SIZE, pool_maxsize=MAX_CONNECTION_POOL_SIZE
        )

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the base's
        """Make the pools' connections paced ones."""
        super().init_poolmanager(*arguments, **options)  # type: ignore[no-untyped-call]  # the CDK's
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the base's
        """Do the same behind a proxy; SOCKS has connections of its own, and is dated by answers."""
        proxies = super().proxy_manager_for(*arguments, **options)  # type: ignore[no-untyped-call]  # the CDK's
        if isinstance(proxies, ProxyManager):
            proxies.pool_classes_by_scheme = _POOL_CLASSES
        return proxies


class PacedSession(LimiterSession):
    """The CDK's session that asks a budget, over paced connections."""

    def __init__(self, budget: AirtableBudget) -> None:
        super().__init__(api_budget=budget)
        adapter = PacedAdapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)  # ignore-https-check

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401 - the base's
        """Send a request, and keep no slot whichever way it ends.

        A failure carries the request. `requests` leaves it out if a body breaks off.
        """
        try:
            return super().send(request, **options)
        except requests.RequestException as failure:
            failure.request = failure.request or request
            raise
        finally:
            leave_slot_of_this_thread()
