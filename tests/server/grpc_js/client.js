// Calls a server's inference.GRPCInferenceService in the ways that clients do, and prints what came back as JSON.
//
// Usage: node client.js PORT FOLDER_OF_PROTOS
"use strict";

const assert = require("node:assert");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [port, protos] = process.argv.slice(2);
const loaded = loader.loadSync("open_inference.proto", {
  includeDirs: [protos], keepCase: true, longs: Number, enums: String, defaults: true,
});
const Service = grpc.loadPackageDefinition(loaded).inference.GRPCInferenceService;
const LIMITS = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

function connect(options = {}) {
  return new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { ...LIMITS, ...options });
}

function call(client, method, request, options = {}) {
  return new Promise((resolve, reject) => {
    client[method](request, new grpc.Metadata(), options, (error, response) =>
      error ? reject(error) : resolve(response));
  });
}

function floats(values) {
  return Buffer.from(new Float32Array(values).buffer);
}

function echo(rows, columns, raw, more = {}) {
  return {
    model_name: "identity_FP32",
    inputs: [{ name: "x", datatype: "FP32", shape: [rows, columns] }],
    raw_input_contents: [raw],
    ...more,
  };
}

async function assertEchoes(client, rows, columns) {
  const raw = floats(Float32Array.from({ length: rows * columns }, (_, index) => index / 7));
  const response = await call(client, "ModelInfer", echo(rows, columns, raw));
  assert.deepStrictEqual(response.outputs.map(({ name, shape }) => [name, shape]), [["y", [rows, columns]]]);
  assert(response.raw_output_contents[0].equals(raw));
}

async function codeOf(promise) {
  try {
    await promise;
    return "OK";
  } catch (error) {
    return grpc.status[error.code];
  }
}

function streamed(client, count) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const stream = client.ModelStreamInfer();
    stream.on("data", ({ error_message: error, infer_response: response }) => {
      seen.push(error ? "error" : [response.id, ...new Float32Array(new Uint8Array(response.raw_output_contents[0]).buffer)]);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(seen));
    for (let number = 0; number < count; number++) {
      const model = number === 3 ? "no_such_model" : "identity_FP32";
      stream.write(echo(1, 2, floats([number, 0.5]), { id: `request ${number}`, model_name: model }));
    }
    stream.end();
  });
}

function cancelledInMidStream(client) {
  return new Promise((resolve) => {
    const stream = client.ModelStreamInfer();
    stream.on("data", () => stream.cancel());
    stream.on("error", (error) => resolve(grpc.status[error.code]));
    stream.write(echo(1, 1, floats([1])));
  });
}

const CASES = {
  async live(client) {
    return call(client, "ServerLive", {});
  },
  async metadata(client) {
    return call(client, "ModelMetadata", { name: "identity_FP32" });
  },
  async raw(client) {
    await assertEchoes(client, 3, 2);
  },
  async typed(client) {
    const tensor = { name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2.5, -3] } };
    const response = await call(client, "ModelInfer", { model_name: "identity_FP32", inputs: [tensor] });
    assert(response.raw_output_contents[0].equals(floats([1, 2.5, -3])));
  },
  async large(client) {
    await assertEchoes(client, 4, 1 << 20);
  },
  async many(client) {
    await Promise.all(Array.from({ length: 300 }, (_, number) => assertEchoes(client, 1, 1 + (number % 40))));
  },
  async gzip() {
    const client = connect({ "grpc.default_compression_algorithm": 2 });
    await assertEchoes(client, 100, 100);
    client.close();
  },
  async errors(client) {
    return {
      unknown_model: await codeOf(call(client, "ModelInfer", echo(1, 1, floats([1]), { model_name: "nobody" }))),
      wrong_size: await codeOf(call(client, "ModelInfer", echo(1, 2, floats([1])))),
      past: await codeOf(call(client, "ModelInfer", echo(1, 1, floats([1])), { deadline: Date.now() - 1 })),
    };
  },
  async stream(client) {
    return streamed(client, 6);
  },
  async cancelled(client) {
    const codes = [];
    for (let turn = 0; turn < 20; turn++) codes.push(await cancelledInMidStream(client));
    await assertEchoes(client, 1, 1);
    return [...new Set(codes)];
  },
};

async function main() {
  const client = connect();
  const results = {};
  for (const [name, run] of Object.entries(CASES)) {
    try {
      results[name] = (await run(client)) ?? "as sent";
    } catch (error) {
      results[name] = `failed: ${error.stack}`;
    }
  }
  client.close();
  console.log(JSON.stringify(results));
}

main();
