// A Triton backend whose inference costs nothing, so that what a load test measures is Triton's own front end.
//
// It serves a classifier of two classes: one input FP32[n,k] -> label INT64[n], probabilities FP32[n,2]. No model is
// run: every row is class 1, with probabilities 0.25 and 0.75.
//
// The declarations are those parts of Triton's C backend interface (exported by the server binary) that it uses.
// Build: g++ -O2 -shared -fPIC free_backend.cc -o backends/free/libtriton_free.so
#include <cstdint>

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
template <typename Element>
Element* NewOutput(TRITONBACKEND_Response* response, const char* name, int type, const int64_t* shape, uint32_t dims) {
  uint64_t bytes = sizeof(Element);
  for (uint32_t d = 0; d < dims; d++) bytes *= static_cast<uint64_t>(shape[d]);
  TRITONBACKEND_Output* output = nullptr;
  TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, dims);
  void* buffer = nullptr;
  int memory = kCpu;
  int64_t memory_id = 0;
  TRITONBACKEND_OutputBuffer(output, &buffer, bytes, &memory, &memory_id);
  return static_cast<Element*>(buffer);
}

int64_t Rows(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Input* input = nullptr;
  TRITONBACKEND_RequestInputByIndex(request, 0, &input);
  const char* name = nullptr;
  int type = 0;
  const int64_t* shape = nullptr;
  uint32_t dims = 0, buffers = 0;
  uint64_t bytes = 0;
  TRITONBACKEND_InputProperties(input, &name, &type, &shape, &dims, &bytes, &buffers);
  return shape[0];
}

void Answer(TRITONBACKEND_Request* request) {
  TRITONBACKEND_Response* response = nullptr;
  TRITONBACKEND_ResponseNew(&response, request);
  const int64_t rows = Rows(request);
  const int64_t one_per_row[1] = {rows}, two_per_row[2] = {rows, 2};
  auto* label = NewOutput<int64_t>(response, "label", kInt64, one_per_row, 1);
  auto* probabilities = NewOutput<float>(response, "probabilities", kFloat32, two_per_row, 2);
  for (int64_t row = 0; row < rows; row++) {
    label[row] = 1;
    probabilities[2 * row] = 0.25f;
    probabilities[2 * row + 1] = 0.75f;
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
