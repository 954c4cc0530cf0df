"""Which dialects of inference a client speaks with its server, and which one it takes for a call.

- `json`, `binary`: HTTP, with tensors as JSON or by the binary tensor extension
- `grpc`: `ModelInfer` on the same port, with raw contents

JSON is never the faster one of the first two, so it is for servers that announce no binary tensors. gRPC is found out
in the background, so that no call waits for it, and only by clients that live long enough to gain from it.
"""

from __future__ import annotations

from importlib import import_module
from threading import Lock, Thread
from typing import Any, Literal, get_args

from modelport.client.address import Address
from modelport.client.choice import Choice
from modelport.client.grpc_channel import installed, speaks_http2
from modelport.core.errors import InvalidInputError

Dialect = Literal["auto", "json", "binary", "grpc"]

#: Inputs of more bytes than this are large: what is faster for the ones may be slower for the others.
LARGE = 65536
#: Calls before gRPC is considered at all: importing it costs as much as a thousand of them.
_SETTLED = 16
#: Seconds that the port has to answer HTTP/2.
_PATIENCE = 1.0
#: What servers say in their metadata's `extensions` where they take binary tensors, and gRPC on the same port.
_BINARY, _GRPC = frozenset({"binary_tensor_data", "binary_data"}), "grpc"


def checked_dialect(dialect: str) -> Dialect:
    """The dialect. Raises InvalidInputError for another word."""
    if dialect not in get_args(Dialect):
        raise InvalidInputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(get_args(Dialect))}")
    return dialect  # type: ignore[return-value]


class Dialects:
    """What one client knows. `address` None: there is no network of its own, so no gRPC. Safe for several threads."""

    def __init__(self, dialect: Dialect, address: Address | None) -> None:
        self.pinned = dialect
        self._address = address
        self._spoken: tuple[str, ...] = () if dialect == "auto" else (dialect,)
        self._choices: dict[tuple[str, str, bool], Choice] = {}
        self._lock = Lock()
        self._left_to_settle = _SETTLED
        self._announced = False

    @property
    def known(self) -> bool:
        """Whether it is known what the server speaks."""
        return bool(self._spoken)

    @property
    def measured(self) -> bool:
        """Whether some choice has been measured, and none is being measured now."""
        choices = list(self._choices.values())
        return any(choice.medians for choice in choices) and not any(choice.measuring for choice in choices)

    def learn(self, metadata: dict[str, Any]) -> None:
        """What the server's metadata says decides."""
        extensions = metadata.get("extensions") or ()
        self._announced = _GRPC in extensions
        self._spoken = ("json",) if _BINARY.isdisjoint(extensions) else ("binary",)

    def pick(self, name: str, version: str, size: int) -> tuple[str, Choice]:
        """The dialect for a call with so many bytes of inputs, and where to tell how it went."""
        choice = self._choice(name, version, size)
        if self._left_to_settle and self._announced:
            self._settle()
        return choice.pick(self._spoken or ("json",)), choice

    def usual(self) -> str:
        """The dialect that always works."""
        return self._spoken[0] if self._spoken else "json"

    def of(self, name: str, version: str, size: int) -> str:
        """What calls of that size go by now; `auto` where that is not decided."""
        if len(self._spoken) < 2:
            return self._spoken[0] if self._spoken else "auto"
        choice = self._choices.get((name, version, size > LARGE))
        return (choice and choice.chosen) or "auto"

    def describe(self) -> str:
        """The choices in words, for people."""
        if self.pinned != "auto" or len(self._spoken) < 2:
            return self.pinned if self.pinned != "auto" or not self._spoken else f"auto: {self._spoken[0]}"
        told = []
        for (name, version, large), choice in list(self._choices.items()):
            if choice.chosen:
                times = ", ".join(f"{key} {seconds * 1e6:.0f} µs" for key, seconds in choice.medians.items())
                place = f"{name}/{version}" if version else name
                told.append(f"{place} {'large' if large else 'small'} by {choice.chosen} ({times})")
        return f"auto: {'; '.join(told) or 'measuring'}"

    def _choice(self, name: str, version: str, size: int) -> Choice:
        key = name, version, size > LARGE
        choice = self._choices.get(key)
        if choice is None:
            with self._lock:
                choice = self._choices.setdefault(key, Choice())
        return choice

    def _settle(self) -> None:
        with self._lock:
            if not self._left_to_settle:
                return
            self._left_to_settle -= 1
            if self._left_to_settle or not self._can_have_grpc():
                return
        Thread(target=self._prepare, name="modelport-client-grpc").start()

    def _can_have_grpc(self) -> bool:
        address = self._address
        plain = address is not None and not (address.tls or address.prefix or address.proxy)
        return plain and installed()

    def _prepare(self) -> None:
        """Everything about gRPC that takes time, on a thread of its own."""
        if self._address is None or not speaks_http2(self._address, _PATIENCE):
            return
        for module in ("grpc", "grpc.aio", "modelport.client.grpc_inference"):
            import_module(module)
        self._spoken = (*self._spoken, "grpc")
