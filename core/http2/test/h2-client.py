"""Asks a server over HTTP/2 by the library h2, which refuses whatever breaks the rules; prints OK where all is well."""
import socket
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings

PORT = int(sys.argv[1])
WINDOW = int(sys.argv[2])
SIZE = 60_000
COUNT = 20


def main() -> None:
    sock = socket.create_connection(('127.0.0.1', PORT), timeout=60)
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding='latin-1'))
    conn.initiate_connection()
    conn.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
    sock.sendall(conn.data_to_send())
    uploads = {}
    for number in range(COUNT):
        stream = conn.get_next_available_stream_id()
        fields = [(':method', 'POST'), (':scheme', 'http'), (':authority', 'a'), (':path', f'/{number}'), ('x-a', 'é')]
        conn.send_headers(stream, fields)
        uploads[stream] = bytes([65 + number]) * SIZE
    expected = {stream: b'POST /%d ' % at + body for at, (stream, body) in enumerate(uploads.items())}
    bodies = {stream: b'' for stream in uploads}
    statuses = {}
    left = set(uploads)
    while left:
        for stream in list(uploads):
            send_some(conn, stream, uploads)
        sock.sendall(conn.data_to_send())
        data = sock.recv(65_535)
        if not data:
            raise SystemExit('the connection ended')
        for event in conn.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                statuses[event.stream_id] = dict(event.headers)[':status']
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                left.discard(event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise SystemExit(repr(event))
    conn.close_connection()
    sock.sendall(conn.data_to_send())
    assert set(statuses.values()) == {'200'}, statuses
    assert bodies == expected
    print('OK')


def send_some(conn: h2.connection.H2Connection, stream: int, uploads: dict) -> None:
    body = uploads[stream]
    while body:
        size = min(conn.local_flow_control_window(stream), conn.max_outbound_frame_size, len(body))
        if size == 0:
            break
        conn.send_data(stream, body[:size])
        body = body[size:]
    uploads[stream] = body
    if not body:
        conn.end_stream(stream)
        del uploads[stream]


main()
