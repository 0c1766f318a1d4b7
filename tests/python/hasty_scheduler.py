"""A scheduler's readiness probe behind TLS that closes each of the first connections after the handshake, before
an answer.

    python hasty_scheduler.py CERTIFICATE KEY CLOSED

Prints its port, and then the number of each connection.
"""

import socket
import ssl
import sys

certificate, key, closed = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
number = 0
while True:
    connection, _ = server.accept()
    number += 1
    print(number, flush=True)
    with context.wrap_socket(connection, server_side=True) as secured:
        if number > closed:
            secured.recv(65536)
            body = b"ready: 3 executors registered"
            secured.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
