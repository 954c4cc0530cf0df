"""Protobuf messages from `.proto` text, in descriptor pools of our own.

Generated code registers its messages in the process's default pool, under their full names: a process that imports
tritonclient or TensorFlow has those names there already. A private pool clashes with nobody.
"""

from modelport.wire.protobuf.schema import Schema, load_schema, parsed

__all__ = ["Schema", "load_schema", "parsed"]
