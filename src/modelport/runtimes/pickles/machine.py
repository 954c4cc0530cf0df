"""Following a pickle's instructions without doing any: what it would import, call and read next.

The stack and the memo are kept with stand-ins, so that names that are put together on the stack are seen too, and the
arrays that joblib puts between the instructions can be stepped over.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

#: The longest text or number that is followed further; what is longer is no name of anything.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Import:
    """`module.name`, as a pickle asks for it; `?` stands for what only running it would tell."""

    module: str
    name: str


@dataclass(slots=True)
class Made:
    """What calling something would give, and the state that it is then given."""

    maker: Any
    arguments: Any = ()
    state: Any = None


_MARK = object()
_UNKNOWN = object()


@dataclass(slots=True)
class Machine:
    """Follows one pickle. `imports` are found in the order in which the file names them."""

    imports: list[Import] = field(default_factory=list)
    result: Any = None
    _stack: list[Any] = field(default_factory=list)
    _memo: dict[int, Any] = field(default_factory=dict)

    def follow(self, file: BinaryIO) -> Iterator[Made]:
        """Go through the instructions up to the last. Gives each object that is given a state, when it is.

        Raises ValueError where the file is no pickle, or is cut short; what was found until then stays found.
        """
        for opcode, argument, _ in pickletools.genops(file):
            made = self._step(opcode, argument)
            if made is not None:
                yield made
        self.result = self._stack[-1] if self._stack else None

    def _step(self, opcode: Any, argument: Any) -> Made | None:
        name = opcode.name
        action = _ACTIONS.get(name)
        if action is not None:
            return action(self, argument)
        if name in _VALUES:
            self._stack.append(argument if not isinstance(argument, str | bytes) or len(argument) < _LONGEST else None)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        else:
            self._apply(opcode)
        return None

    def _apply(self, opcode: Any) -> None:
        """Any other instruction: take from the stack and put on it as many things as it is documented to."""
        if pickletools.markobject in opcode.stack_before:
            self._to_mark()
            before = opcode.stack_before.index(pickletools.markobject)
        else:
            before = len(opcode.stack_before)
        taken = [self._pop() for _ in range(before)]
        if opcode.name in _KEEPS:  # APPEND, SETITEM and the like give back what they were given
            self._stack.append(taken[-1] if taken else _UNKNOWN)
        else:
            self._stack.extend(_MARK if item is pickletools.markobject else _UNKNOWN for item in opcode.stack_after)

    def _pop(self) -> Any:
        return self._stack.pop() if self._stack else _UNKNOWN

    def _to_mark(self) -> list[Any]:
        taken: list[Any] = []
        while self._stack:
            item = self._stack.pop()
            if item is _MARK:
                break
            taken.append(item)
        return taken[::-1]

    def _found(self, module: Any, name: Any) -> Import:
        found = Import(module if isinstance(module, str) else "?", name if isinstance(name, str) else "?")
        if found not in self.imports:
            self.imports.append(found)
        return found

    def on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(self._found(module, name))

    def on_stack_global(self, _argument: None) -> None:
        name, module = self._pop(), self._pop()
        self._stack.append(self._found(module, name))

    def on_inst(self, argument: str) -> None:
        arguments = self._to_mark()
        module, _, name = argument.partition(" ")
        self._stack.append(Made(self._found(module, name), tuple(arguments)))

    def on_extension(self, argument: int) -> None:
        self._stack.append(self._found("copyreg extension", str(argument)))

    def on_call(self, _argument: None) -> None:
        arguments, maker = self._pop(), self._pop()
        self._stack.append(Made(maker, arguments))

    def on_call_with_names(self, _argument: None) -> None:
        self._pop()
        self.on_call(None)

    def on_object(self, _argument: None) -> None:
        maker, *arguments = self._to_mark() or [_UNKNOWN]
        self._stack.append(Made(maker, tuple(arguments)))

    def on_build(self, _argument: None) -> Made | None:
        state = self._pop()
        made = self._stack[-1] if self._stack else None
        if not isinstance(made, Made):
            return None
        made.state = state
        return made

    def on_put(self, argument: int) -> None:
        self._memo[argument] = self._stack[-1] if self._stack else _UNKNOWN

    def on_memoize(self, _argument: None) -> None:
        self.on_put(len(self._memo))

    def on_get(self, argument: int) -> None:
        self._stack.append(self._memo.get(argument, _UNKNOWN))

    def on_pop(self, _argument: None) -> None:
        self._pop()

    def on_pop_mark(self, _argument: None) -> None:
        self._to_mark()

    def on_dup(self, _argument: None) -> None:
        self._stack.append(self._stack[-1] if self._stack else _UNKNOWN)

    def on_mark(self, _argument: None) -> None:
        self._stack.append(_MARK)

    def on_tuple(self, _argument: None) -> None:
        self._stack.append(tuple(self._to_mark()))

    def on_tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def on_dict(self, _argument: None) -> None:
        self._stack.append({})

    def on_items(self, _argument: None) -> None:
        items = self._to_mark()
        self._set(items)

    def on_item(self, _argument: None) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1] if self._stack else None
        if isinstance(target, dict):
            target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=False) if type(key) is str)


_Action = Callable[[Machine, Any], Made | None]
_VALUES_TEXT = (
    "INT LONG BININT BININT1 BININT2 LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)
_VALUES = frozenset(_VALUES_TEXT.split())
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_KEEPS = frozenset(("APPEND", "APPENDS", "ADDITEMS", "READONLY_BUFFER"))
_ACTIONS: dict[str, _Action] = {
    "GLOBAL": Machine.on_global,
    "STACK_GLOBAL": Machine.on_stack_global,
    "INST": Machine.on_inst,
    "EXT1": Machine.on_extension,
    "EXT2": Machine.on_extension,
    "EXT4": Machine.on_extension,
    "REDUCE": Machine.on_call,
    "NEWOBJ": Machine.on_call,
    "NEWOBJ_EX": Machine.on_call_with_names,
    "OBJ": Machine.on_object,
    "BUILD": Machine.on_build,
    "PUT": Machine.on_put,
    "BINPUT": Machine.on_put,
    "LONG_BINPUT": Machine.on_put,
    "MEMOIZE": Machine.on_memoize,
    "GET": Machine.on_get,
    "BINGET": Machine.on_get,
    "LONG_BINGET": Machine.on_get,
    "POP": Machine.on_pop,
    "POP_MARK": Machine.on_pop_mark,
    "DUP": Machine.on_dup,
    "MARK": Machine.on_mark,
    "TUPLE": Machine.on_tuple,
    "TUPLE1": lambda machine, _: machine.on_tuple_of(1),
    "TUPLE2": lambda machine, _: machine.on_tuple_of(2),
    "TUPLE3": lambda machine, _: machine.on_tuple_of(3),
    "EMPTY_DICT": Machine.on_dict,
    "SETITEM": Machine.on_item,
    "SETITEMS": Machine.on_items,
    "PROTO": lambda _machine, _argument: None,
    "FRAME": lambda _machine, _argument: None,
    "STOP": lambda _machine, _argument: None,
}
