// A Triton backend whose inference costs nothing, so that what a load test measures is Triton's own front end.
//
// It serves a classifier of two classes: one input FP32[n,k] -> label INT64[n], probabilities FP32[n,2]. No model is
// run: every row is class 1, with probabilities 0.25 and 0.75. A request whose input is called INPUT0 gets it back as
// OUTPUT0, copied once.
//
// The declarations are those parts of Triton's C backend interface (exported by the server binary) that it uses.
// Build: g++ -O2 -shared -fPIC free_backend.cc -o backends/free/libtriton_free.so
#include <cstdint>
#include <cstring>

extern "C" {
struct TRITONSERVER_Error;
struct TRITONBACKEND_ModelInstance;
struct TRITONBACKEND_Request;
struct TRITONBACKEND_Response;
struct TRITONBACKEND_Input;
struct TRITONBACKEND_Output;
TRITONSERVER_Error* TRITONBACKEND_RequestInputByIndex(TRITONBACKEND_Request*, uint32_t, TRITONBACKEND_Input**);
TRITONSERVER_Error* TRITONBACKEND_InputProperties(TRITONBACKEND_Input*, const char** name, int* type,
                                                  const int64_t** shape, uint32_t* dims, uint64_t* bytes,
                                                  uint32_t* buffers);
TRITONSERVER_Error* TRITONBACKEND_InputBuffer(TRITONBACKEND_Input*, uint32_t index, const void** part, uint64_t* bytes,
                                              int* memory, int64_t* memory_id);
TRITONSERVER_Error* TRITONBACKEND_ResponseNew(TRITONBACKEND_Response**, TRITONBACKEND_Request*);
TRITONSERVER_Error* TRITONBACKEND_ResponseOutput(TRITONBACKEND_Response*, TRITONBACKEND_Output**, const char*, int,
                                                 const int64_t*, uint32_t);
TRITONSERVER_Error* TRITONBACKEND_OutputBuffer(TRITONBACKEND_Output*, void**, uint64_t, int*, int64_t*);
TRITONSERVER_Error* TRITONBACKEND_ResponseSend(TRITONBACKEND_Response*, uint32_t flags, TRITONSERVER_Error*);
TRITONSERVER_Error* TRITONBACKEND_RequestRelease(TRITONBACKEND_Request*, uint32_t flags);
}

namespace {

constexpr int kInt64 = 9, kFloat32 = 11, kCpu = 0;
constexpr uint32_t kFinal = 1, kReleaseAll = 1;

// The memory of a new output of that shape.
void* NewOutput(TRITONBACKEND_Response* response, const char* name, int type, const int64_t* shape, uint32_t dims,
                uint64_t bytes) {
  TRITONBACKEND_Output* output = nullptr;
  TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, dims);
  void* buffer = nullptr;
  int memory = kCpu;
  int64_t memory_id = 0;
  TRITONBACKEND_OutputBuffer(output, &buffer, bytes, &memory, &memory_id);
  return buffer;
}

struct Input {
  TRITONBACKEND_Input* handle = nullptr;
  const char* name = nullptr;
  int type = 0;
  const int64_t* shape = nullptr;
  uint32_t dims = 0, buffers = 0;
  uint64_t bytes = 0;
};

Input FirstInput(TRITONBACKEND_Request* request) {
  Input input;
  TRITONBACKEND_RequestInputByIndex(request, 0, &input.handle);
  TRITONBACKEND_InputProperties(input.handle, &input.name, &input.type, &input.shape, &input.dims, &input.bytes,
                                &input.buffers);
  return input;
}

void Echo(const Input& input, TRITONBACKEND_Response* response) {
  auto* out =
      static_cast<char*>(NewOutput(response, "OUTPUT0", input.type, input.shape, input.dims, input.bytes));
  for (uint32_t i = 0; i < input.buffers; i++) {
    const void* part = nullptr;
    uint64_t bytes = 0;
    int memory = kCpu;
    int64_t memory_id = 0;
    TRITONBACKEND_InputBuffer(input.handle, i, &part, &bytes, &memory, &memory_id);
    memcpy(out, part, bytes);
    out += bytes;
  }
}

void Classify(const Input& input, TRITONBACKEND_Response* response) {
  const int64_t rows = input.shape[0];
  const int64_t one_per_row[1] = {rows}, two_per_row[2] = {rows, 2};
  auto* label = static_cast<int64_t*>(NewOutput(response, "label", kInt64, one_per_row, 1, rows * sizeof(int64_t)));
  auto* probabilities =
      static_cast<float*>(NewOutput(response, "probabilities", kFloat32, two_per_row, 2, 2 * rows * sizeof(float)));
  for (int64_t row = 0; row < rows; row++) {
    label[row] = 1;
    probabilities[2 * row] = 0.25f;
    probabilities[2 * row + 1] = 0.75f;
  }
}

void Answer(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Response* response = nullptr;
  TRITONBACKEND_ResponseNew(&response, request);
  const Input input = FirstInput(request);
  if (strcmp(input.name, "INPUT0") == 0) {
    Echo(input, response);
  } else {
    Classify(input, response);
  }
  TRITONBACKEND_ResponseSend(response, kFinal, nullptr);
  TRITONBACKEND_RequestRelease(request, kReleaseAll);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(
    TRITONBACKEND_ModelInstance*, TRITONBACKEND_Request** requests, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) Answer(requests[i]);
  return nullptr;
}
