"""A network of its own for each broker, joined by a router, so that brokers can be cut off from each other while
clients still reach them. Made of network namespaces, which need Linux and root."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_NAME = f"witiop-{os.getpid()}"
_NET = f"10.{200 + os.getpid() % 50}"


def available() -> bool:
    """Whether this machine has network namespaces for us."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class BrokerNetworks:
    """Networks for brokers with the numbers from 1 on, and the router between them and this machine, which has number
    0."""

    def __init__(self, brokers: int) -> None:
        self._brokers = range(1, brokers + 1)

    def host(self, number: int) -> str:
        """Returns the address of a broker."""
        return f"{_NET}.{number}.2"

    def within(self, number: int) -> Sequence[str]:
        """Returns the command that runs a program in a broker's network."""
        return ("ip", "netns", "exec", _space(number))

    def cut_off(self, number: int) -> None:
        """Drops every packet between a broker and the others. Clients on this machine reach all of them."""
        self._cut("add", number)

    def connect(self, number: int) -> None:
        """Ends what `cut_off` began."""
        self._cut("del", number)

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", _NAME)
        _run("ip", "netns", "exec", _NAME, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for number in (0, *self._brokers):
            self._join(number)
        _run("ip", "route", "add", f"{_NET}.0.0/16", "via", f"{_NET}.0.1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._brokers:
            _run("ip", "netns", "delete", _space(number))
        _run("ip", "netns", "delete", _NAME)  # and its ends of the links

    def _join(self, number: int) -> None:
        """Makes a broker's network and links it with the router; number 0 is that of this machine."""
        outer, inner = f"r{number}", f"w{os.getpid()}n{number}"
        _run("ip", "link", "add", inner, "type", "veth", "peer", "name", outer, "netns", _NAME)
        within: tuple[str, ...] = ()
        if number:
            _run("ip", "netns", "add", _space(number))
            _run("ip", "link", "set", inner, "netns", _space(number))
            within = ("-n", _space(number))
            _run("ip", *within, "link", "set", "lo", "up")
        ends = ((within, inner, f"{_NET}.{number}.2"), (("-n", _NAME), outer, f"{_NET}.{number}.1"))
        for of, link, address in ends:
            _run("ip", *of, "address", "add", f"{address}/24", "dev", link)
            _run("ip", *of, "link", "set", link, "up")
        if number:
            _run("ip", *within, "route", "add", "default", "via", f"{_NET}.{number}.1")

    def _cut(self, action: str, number: int) -> None:
        for other in set(self._brokers) - {number}:
            for source, target in ((number, other), (other, number)):
                rule = ("iif", f"r{source}", "to", f"{_NET}.{target}.0/24", "blackhole")
                _run("ip", "-n", _NAME, "rule", action, *rule)


def _space(number: int) -> str:
    return f"{_NAME}-{number}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
