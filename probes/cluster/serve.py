"""The smallest web server that a subject pod can run: it answers every request with its pod's name.

A subject is started and stopped all the time and its start is part of what is measured, so this imports nothing
but the socket and the signals (a Python with http.server takes three times as long to its first answer).
"""

import signal
import socket
import sys
from types import FrameType

DEFAULT_PORT = 8080


def _exit(_signal: int, _frame: FrameType | None) -> None:
    """As process 1 a program has no default for SIGTERM: without this every subject would wait for SIGKILL."""
    sys.exit(0)


def answer(name: str) -> bytes:
    """The whole HTTP response."""
    body = name.encode()
    head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _answer_one(connection: socket.socket, response: bytes) -> None:
    with connection:
        connection.settimeout(1.0)  # a client that says nothing must not keep the others waiting
        try:
            connection.recv(4096)
            connection.sendall(response)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)
        except OSError:
            return


def serve(listener: socket.socket, response: bytes) -> None:
    """Answer until the process is told to end."""
    while True:
        connection, _ = listener.accept()
        _answer_one(connection, response)


def main() -> None:
    """`python -m cluster.serve [PORT]`."""
    signal.signal(signal.SIGTERM, _exit)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    dualstack = family is socket.AF_INET6
    with socket.create_server(("", port), family=family, backlog=64, dualstack_ipv6=dualstack) as listener:
        serve(listener, answer(socket.gethostname()))


if __name__ == "__main__":
    main()
