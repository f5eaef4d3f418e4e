"""Free TCP ports on the loopback address."""

import socket


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment.

    Somebody else may take it before the caller does: whoever starts a server tries again.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
