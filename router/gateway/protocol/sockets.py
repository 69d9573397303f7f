"""The wire of a WebSocket, bounded: who sends and never reads fills no memory (threat 21)."""

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Ping
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from router.errors import BadRequest
from router.gateway.protocol.heads import turn_away


class BoundedSocket(WSProtocol):
    """A WebSocket of the gateway."""

    def data_received(self, data: bytes) -> None:
        """Take what came; a handshake that is none is refused like a request that is none."""
        try:
            self.conn.receive_data(data)
        except RemoteProtocolError:
            error = BadRequest("This is no handshake of a WebSocket.")
            turn_away(self.transport, self.config.app, error, {"client": self.client, "headers": []})
        except LocalProtocolError:
            self.transport.close()
        else:
            self.handle_events()

    def handle_close(self, event: CloseConnection) -> None:
        """Say why, where it is not the peer who closes: what came was no frame, or no UTF-8."""
        if self.conn.state is ConnectionState.OPEN:
            self.transport.write(self.conn.send(event))
        super().handle_close(event)

    def handle_ping(self, event: Ping) -> None:
        """Answer a ping, unless earlier answers still lie here unread: RFC 6455 5.5.3 lets the last one do."""
        if self.writable.is_set():
            super().handle_ping(event)
