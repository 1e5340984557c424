"""A real S3 server on the loopback address, and a proxy before it by which it fails."""

import re
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from reeltune.cluster.runs.storage import Store

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}
ERROR = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
NO_CHUNK = b"0\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(ERROR), ERROR)


@contextmanager
def server(folder):
    """The port of moto's server, a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "s3.log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield port
    finally:
        process.kill()
        process.wait(timeout=30)


def _wait(port, process):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.1)
    raise AssertionError("no server")


def uri(port, bucket, path="runs"):
    """The URI of a folder in a bucket of this server, for the command line; the bucket is made when it is needed."""
    query = f"endpoint_override=http://127.0.0.1:{port}&region=us-east-1&allow_bucket_creation=true"
    return f"s3://{bucket}/{path}?{query}"


def store(port, bucket):
    """A store in a bucket that is there."""
    made = Store.at(uri(port, bucket))
    made.check()
    return made


class Proxy(ThreadingTCPServer):
    """Passes bytes on, unless it has a `fault`.

    'down': connections are closed; 'hung'; 'read-only'; 'anonymous': requests that are not signed with anybody's
    credentials are refused; 'cut': the content of the next upload is lost, so that an empty file comes about.
    """

    daemon_threads = True

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.behind, self.fault, self.refused = self.server_address[1], behind, None, 0


class _Handler(BaseRequestHandler):
    cutting = False  # the content of an upload that loses it is still to come
    nothing = b""  # in its place

    def handle(self):
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.behind)) as behind:
            while True:
                for ready in select.select([self.request, behind], [], [], 0.5)[0]:
                    content = ready.recv(1 << 16)
                    if not content or not self._may_pass(content):
                        return
                    if ready is self.request:
                        behind.sendall(self._cut(content))
                    else:
                        self.request.sendall(content)

    def _cut(self, content):
        """What is sent, or nothing in the place of an upload's content, which comes after the head or with it.

        Newer versions of pyarrow send it in chunks, older ones say in the head how long it is.
        """
        if self.server.fault == "cut" and content.startswith(b"PUT ") and b"partNumber=" in content:
            self.server.fault = None
            head, end, body = content.partition(b"\r\n\r\n")
            head, whole = re.subn(rb"(?i)\ncontent-length: \d+", b"\nContent-Length: 0", head)
            self.cutting, self.nothing = not body, b"" if whole else NO_CHUNK
            return head + end + (self.nothing if body else b"")
        if self.cutting:
            self.cutting = False
            return self.nothing
        return content

    def _may_pass(self, content):
        while self.server.fault == "hung":
            time.sleep(0.1)
        # A client waits for an answer before its next request, which therefore begins what is received.
        changes = content.startswith((b"PUT ", b"POST ", b"DELETE "))
        anonymous = (changes or content.startswith((b"GET ", b"HEAD "))) and b"\nauthorization:" not in content.lower()
        denied = {"read-only": changes, "anonymous": anonymous}.get(self.server.fault, False)
        if denied:
            self.request.sendall(DENIED)
        refused = denied or self.server.fault == "down"
        self.server.refused += refused
        return not refused


@contextmanager
def proxied(port):
    """A proxy before the server of this port."""
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.fault = None
        proxy.shutdown()
        proxy.server_close()
        thread.join(timeout=10)
