"""A collector: takes OTLP over HTTP and prints every request as a line of JSON.

The first line is the port. With an argument, that status is answered to every request. With
another, a folder, it speaks TLS and only to clients of its own authority: ca.pem, client.pem
and client.key are written there.
"""

import gzip
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STATUS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        message = MessageToDict(REQUESTS[self.path].FromString(body))
        print(json.dumps({"path": self.path, "headers": headers, "message": message}), flush=True)
        self.send_response(STATUS)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def secured(folder):
    """What the server shows and asks for; the authority's files are written to the folder."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/ca.pem")
    client = authority.issue_cert("client@localhost")
    client.cert_chain_pems[0].write_to_path(f"{folder}/client.pem")
    client.private_key_pem.write_to_path(f"{folder}/client.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
if len(sys.argv) > 2:
    # The handshake is made by the thread of the request, not by the one that accepts.
    context = secured(sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
