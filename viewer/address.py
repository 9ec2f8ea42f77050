"""Where the page is served: a port that is free, and how to reach it from elsewhere."""

from __future__ import annotations

import getpass
import socket

from polyfield.errors import InputError

TRIES = 50  # ports that are looked at, the wanted one first


def free_port(host: str, port: int) -> int:
    """The wanted port, or the next one that nobody listens on.

    Args:
        host: an address of this machine.
        port: 1 to 65535.

    Raises:
        InputError: for an address that is not of this machine, and where no port is free.
    """
    if not 1 <= port <= 65535:
        raise InputError(field="port", found=port, expected="1 to 65535")
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise _no_address(host, error) from error
    last = min(port + TRIES, 65536)
    for number in range(port, last):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a port that was closed a moment ago counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((where[0], number, *where[2:]))
            except PermissionError as error:
                reason = error.strerror or str(error)
                raise InputError(
                    field="port", found=number, expected="1024 or more", hint=reason
                ) from error
            except OSError as error:
                if error.errno not in _IN_USE:
                    raise _no_address(host, error) from error
                continue
            return number
    raise InputError(field="port", found=f"{port} to {last - 1} in use", expected="a free one")


def url(host: str, port: int) -> str:
    """What to open in a browser on this machine."""
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ssh_line(port: int) -> str:
    """What to type on another machine, so that the page can be opened there."""
    return f"ssh -N -L {port}:localhost:{port} {_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return "USER"


def _no_address(host: str, error: Exception) -> InputError:
    hint = getattr(error, "strerror", None) or str(error)
    expected = "localhost, or another address of this machine"
    return InputError(field="host", found=host, expected=expected, hint=hint)


def _numbers() -> frozenset[int]:
    import errno

    windows = getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)
    return frozenset({errno.EADDRINUSE, windows})


_IN_USE = _numbers()
