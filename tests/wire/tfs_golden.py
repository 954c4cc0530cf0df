"""What TensorFlow and tensorflow-serving-api write, recorded in `tfs_golden.json` for machines that do not have them.

`python tests/wire/tfs_golden.py` records it anew; where the packages are installed a test compares.
"""

import base64
import json
import os
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_suffix(".json")
#: Datatype → TensorFlow's name, and values as JSON has them.
VALUES = {
    "FP32": ("float32", [0.5, -1.25, 2.0**100]),
    "FP64": ("float64", [0.1, -1e300, 2.0]),
    "FP16": ("float16", [0.5, -2.0, 65504.0]),
    "BF16": ("bfloat16", [0.5, -2.0, 1.5]),
    "INT8": ("int8", [-128, 127, 0]),
    "INT16": ("int16", [-32768, 32767, 0]),
    "INT32": ("int32", [-(2**31), 2**31 - 1, 300]),
    "INT64": ("int64", [-(2**63), 2**63 - 1, 300]),
    "UINT8": ("uint8", [0, 255, 7]),
    "UINT16": ("uint16", [0, 65535, 7]),
    "UINT32": ("uint32", [0, 2**32 - 1, 7]),
    "UINT64": ("uint64", [0, 2**64 - 1, 7]),
    "BOOL": ("bool", [True, False, True]),
    "BYTES": ("string", ["", "text", "ünïcødé ✓"]),
}


def record():
    """The document that is in the file."""
    return {"requests": list(_requests()), "messages": _messages(), "enums": _enums(), "services": _services()}


def load():
    return json.loads(PATH.read_text(encoding="utf-8"))


def _requests():
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    for datatype, (name, values) in VALUES.items():
        dtype = tf.dtypes.as_dtype(name)
        array = values if datatype == "BYTES" else np.array(values, dtype.as_numpy_dtype)
        one = values[1] if datatype == "BYTES" else array[1]
        tensors = {
            "content": (tf.make_tensor_proto(array, dtype, (1, 3)), [values]),
            "one value": (tf.make_tensor_proto(one, dtype, (2, 2)), [[values[1]] * 2] * 2),
            "scalar": (tf.make_tensor_proto(one, dtype), values[1]),
        }
        for way, (tensor, wanted) in tensors.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "m"
            request.model_spec.signature_name = "serving_default"
            request.inputs["x"].CopyFrom(tensor)
            raw = base64.b64encode(request.SerializeToString(deterministic=True)).decode()
            yield {"datatype": datatype, "way": way, "request": raw, "values": wanted}


def _files():
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    files, todo = {}, [prediction_service_pb2.DESCRIPTOR, model_service_pb2.DESCRIPTOR]
    while todo:
        file = todo.pop()
        if file.name not in files:
            files[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
            todo += file.dependencies
    return list(files.values())


def _messages():
    return messages_of(_files(), set(load()["messages"]) if PATH.exists() else None)


def _enums():
    return enums_of(_files(), set(load()["enums"]) if PATH.exists() else None)


def _services():
    return services_of(_files())


def messages_of(files, names=None):
    """Full name of a message → name of a field → its facts; all messages, or those with these names."""
    found = {}

    def add(prefix, message):
        name = f"{prefix}.{message.name}"
        if names is None or name in names:
            found[name] = {field.name: _facts(message, field) for field in message.field}
        for nested in message.nested_type:
            add(name, nested)

    for file in files:
        for message in file.message_type:
            add(file.package, message)
    return dict(sorted(found.items()))


def _facts(message, field):
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
    kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return [field.number, kind, field.type_name, repeated, oneof]


def enums_of(files, names=None):
    """Full name of an enum → name of a value → its number."""
    found = {}

    def add(prefix, enum):
        name = f"{prefix}.{enum.name}"
        if names is None or name in names:
            found[name] = {value.name: value.number for value in enum.value}

    def add_nested(prefix, message):
        for enum in message.enum_type:
            add(f"{prefix}.{message.name}", enum)
        for nested in message.nested_type:
            add_nested(f"{prefix}.{message.name}", nested)

    for file in files:
        for enum in file.enum_type:
            add(file.package, enum)
        for message in file.message_type:
            add_nested(file.package, message)
    return dict(sorted(found.items()))


def services_of(files):
    """Full name of a service → name of a method → its types, and whether they are streams."""
    return {
        f"{file.package}.{service.name}": {
            method.name: [method.input_type, method.output_type, method.client_streaming, method.server_streaming]
            for method in service.method
        }
        for file in sorted(files, key=lambda file: file.name)
        for service in file.service
    }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from modelport.wire.tensorflow_serving_messages import schema

    ours = schema().files
    PATH.write_text(json.dumps({"messages": messages_of(ours), "enums": enums_of(ours)}), encoding="utf-8")
    document = json.dumps(record(), indent=None, separators=(",", ":"), ensure_ascii=False)
    PATH.write_text(document.replace('},"', '},\n"').replace("},{", "},\n{") + "\n", encoding="utf-8")
