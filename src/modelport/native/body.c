/* Reads the JSON body of an Open Inference request as nearly all clients write it, its numbers straight into the rows of
 * a batch. Whatever is unusual or wrong is left to the careful reader, which knows what to say about it. */

#include "collect.h"
#include "numbers.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct {
    const char *at, *end;
} Text;

typedef struct {
    const char *start;
    Py_ssize_t size;
} Word;

typedef struct {
    Word name, datatype;
    Py_ssize_t shape[MOST_DIMENSIONS];
    int rank;         /* −1: no shape yet */
    Py_ssize_t count; /* elements of the data; −1: none yet */
    int input;        /* whose data it is */
} Tensor;

static inline void skip_space(Text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t' || *text->at == '\r')) {
        text->at++;
    }
}

/* Whether `c` comes next, spaces apart; it is taken then. */
static inline int take(Text *text, char c) {
    skip_space(text);
    if (text->at < text->end && *text->at == c) {
        text->at++;
        return 1;
    }
    return 0;
}

/* A string of plain ASCII without escapes. */
static int take_word(Text *text, Word *word) {
    if (!take(text, '"')) {
        return 0;
    }
    word->start = text->at;
    while (text->at < text->end) {
        unsigned char c = (unsigned char)*text->at;
        if (c == '"') {
            word->size = text->at++ - word->start;
            return 1;
        }
        if (c < 0x20 || c > 0x7e || c == '\\') {
            return 0;
        }
        text->at++;
    }
    return 0;
}

static inline int is_word(const Word *word, const char *wanted, Py_ssize_t size) {
    return word->size == size && memcmp(word->start, wanted, (size_t)size) == 0;
}
#define IS(word, literal) is_word(&(word), literal, sizeof(literal) - 1)

/* After a member or an item: 1 where another follows, 0 at the end, −1 where neither is the case. */
static inline int more(Text *text, char closing) {
    if (take(text, ',')) {
        return 1;
    }
    return take(text, closing) ? 0 : -1;
}

static int take_shape(Text *text, Tensor *tensor) {
    if (tensor->rank >= 0 || !take(text, '[')) {
        return 0;
    }
    int rank = 0, going = 1;
    while (going == 1) {
        int negative;
        uint64_t size;
        skip_space(text);
        if (rank == MOST_DIMENSIONS || !read_integer(&text->at, text->end, &negative, &size) || negative ||
            size > INT32_MAX) {
            return 0;
        }
        tensor->shape[rank++] = (Py_ssize_t)size;
        going = more(text, ']');
    }
    tensor->rank = rank;
    return going == 0;
}

static inline int fits(int negative, uint64_t magnitude, int bits) {
    return magnitude <= ((uint64_t)1 << (bits - 1)) - !negative;
}

/* One element into `place`; 0 where the text is no such element. */
static inline int read_element(Text *text, char code, char *place) {
    double real;
    if (code == 'f') {
        if (!read_real(&text->at, text->end, &real)) {
            return 0;
        }
        float narrow = (float)real;
        memcpy(place, &narrow, 4);
        return !isinf(narrow);
    }
    if (code == 'd') {
        if (!read_real(&text->at, text->end, &real)) {
            return 0;
        }
        memcpy(place, &real, 8);
        return !isinf(real);
    }
    int negative;
    uint64_t size, value;
    if (!read_integer(&text->at, text->end, &negative, &size)) {
        return 0;
    }
    value = negative ? 0 - size : size;
    switch (code) { /* the lower bytes of `value` are the element; the machine is little-endian: see setup */
    case 'b': memcpy(place, &value, 1); return fits(negative, size, 8);
    case 'h': memcpy(place, &value, 2); return fits(negative, size, 16);
    case 'i': memcpy(place, &value, 4); return fits(negative, size, 32);
    case 'q': memcpy(place, &value, 8); return fits(negative, size, 64);
    case 'B': memcpy(place, &value, 1); return size <= 0xff && !(negative && size);
    case 'H': memcpy(place, &value, 2); return size <= 0xffff && !(negative && size);
    case 'I': memcpy(place, &value, 4); return size <= 0xffffffff && !(negative && size);
    case 'Q': memcpy(place, &value, 8); return !(negative && size);
    default: return 0;
    }
}

/* Room for at least `bytes` in what an input has collected. */
static int reserve(Input *input, Py_ssize_t bytes) {
    Py_ssize_t present = PyByteArray_GET_SIZE(input->rows);
    if (bytes <= present) {
        return 0;
    }
    return PyByteArray_Resize(input->rows, bytes + present + 256);
}

/* A flat list of numbers, behind the rows that are there. */
static int take_data(Text *text, Collector *collector, Tensor *tensor) {
    Input *input = &collector->inputs[tensor->input];
    Py_ssize_t at = collector->rows * input->elements * input->size, start = at;
    if (tensor->count >= 0 || !take(text, '[')) {
        return 0;
    }
    int going = 1;
    while (going == 1) {
        if (at - start >= collector->most_bytes) {
            return 0;
        }
        if (at + 8 > PyByteArray_GET_SIZE(input->rows) && reserve(input, at + 8) < 0) {
            return -1;
        }
        skip_space(text);
        if (!read_element(text, input->code, PyByteArray_AS_STRING(input->rows) + at)) {
            return 0;
        }
        at += input->size;
        if (text->at < text->end && *text->at == ',') { /* the usual case first */
            text->at++;
        } else {
            going = more(text, ']');
        }
    }
    tensor->count = (at - start) / input->size;
    return going == 0;
}

static int find_input(const Collector *collector, const Word *name) {
    for (int i = 0; i < collector->inputs_count; i++) {
        if (is_word(name, PyBytes_AS_STRING(collector->inputs[i].name), PyBytes_GET_SIZE(collector->inputs[i].name))) {
            return i;
        }
    }
    return -1;
}

static int take_member(Text *text, Collector *collector, Tensor *tensor) {
    Word key;
    if (!take_word(text, &key) || !take(text, ':')) {
        return 0;
    }
    if (IS(key, "data")) { /* whose it is must be known by now, where there are several */
        return tensor->input < 0 ? 0 : take_data(text, collector, tensor);
    }
    if (IS(key, "shape")) {
        return take_shape(text, tensor);
    }
    if (IS(key, "datatype")) {
        return tensor->datatype.start == NULL && take_word(text, &tensor->datatype);
    }
    if (IS(key, "name") && tensor->name.start == NULL && take_word(text, &tensor->name)) {
        tensor->input = find_input(collector, &tensor->name);
        return tensor->input >= 0;
    }
    return 0;
}

/* The rows of a tensor that is complete and fits its input; 0 where it does not. */
static Py_ssize_t count_rows(const Collector *collector, const Tensor *tensor) {
    if (tensor->name.start == NULL || tensor->datatype.start == NULL || tensor->rank < 0 || tensor->count <= 0) {
        return 0;
    }
    const Input *input = &collector->inputs[tensor->input];
    if (!is_word(&tensor->datatype, PyBytes_AS_STRING(input->datatype), PyBytes_GET_SIZE(input->datatype)) ||
        tensor->rank != input->rank || tensor->count != tensor->shape[0] * input->elements) {
        return 0;
    }
    for (int axis = 1; axis < input->rank; axis++) {
        if (tensor->shape[axis] != input->shape[axis]) {
            return 0;
        }
    }
    return tensor->shape[0];
}

static int take_tensor(Text *text, Collector *collector, unsigned *seen, Body *body) {
    Tensor tensor = {.rank = -1, .count = -1, .input = collector->inputs_count == 1 ? 0 : -1};
    int going = 1, good;
    if (!take(text, '{')) {
        return 0;
    }
    while (going == 1) {
        good = take_member(text, collector, &tensor);
        if (good != 1) {
            return good;
        }
        going = more(text, '}');
    }
    Py_ssize_t rows = going == 0 ? count_rows(collector, &tensor) : 0;
    if (rows == 0 || (body->rows && body->rows != rows) || (*seen >> tensor.input & 1)) {
        return 0;
    }
    *seen |= 1u << tensor.input;
    body->rows = rows;
    return 1;
}

static int take_inputs(Text *text, Collector *collector, Body *body) {
    unsigned seen = 0;
    int going = 1, good;
    if (body->rows || !take(text, '[')) {
        return 0;
    }
    while (going == 1) {
        good = take_tensor(text, collector, &seen, body);
        if (good != 1) {
            return good;
        }
        going = more(text, ']');
    }
    return going == 0 && seen == (1u << collector->inputs_count) - 1;
}

int read_body(Collector *collector, const char *at, const char *end, Body *body) {
    Text text = {at, end};
    Word key, id = {NULL, 0};
    int going = 1, good;
    body->rows = 0;
    if (!take(&text, '{')) {
        return 0;
    }
    while (going == 1) {
        if (!take_word(&text, &key) || !take(&text, ':')) {
            return 0;
        }
        if (IS(key, "inputs")) {
            good = take_inputs(&text, collector, body);
        } else {
            good = IS(key, "id") && id.start == NULL && take_word(&text, &id) && id.size <= LONGEST_ID;
        }
        if (good != 1) {
            return good;
        }
        going = more(&text, '}');
    }
    skip_space(&text);
    body->id = id.start;
    body->id_size = id.size;
    return going == 0 && text.at == text.end && body->rows > 0;
}

/* Whether the collector's last plan is that of this head; otherwise it is looked up. −1: an exception is set. */
static int find_plan(Collector *collector, const char *at, Py_ssize_t size) {
    PyObject *last = collector->plan_head;
    if (last != NULL && PyBytes_GET_SIZE(last) == size && memcmp(PyBytes_AS_STRING(last), at, (size_t)size) == 0) {
        return 1;
    }
    PyObject *head = PyBytes_FromStringAndSize(at, size);
    if (head == NULL) {
        return -1;
    }
    PyObject *plan = PyDict_GetItemWithError(collector->plans, head);
    if (plan == NULL || !PyTuple_Check(plan) || PyTuple_GET_SIZE(plan) != 2 + collector->inputs_count ||
        !PyBytes_Check(PyTuple_GET_ITEM(plan, 1)) || PyBytes_GET_SIZE(PyTuple_GET_ITEM(plan, 1)) > LONGEST_ID) {
        Py_DECREF(head);
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_XSETREF(collector->plan_head, head);
    Py_XSETREF(collector->plan, Py_NewRef(plan));
    return 1;
}

/* Copies one input's rows; where its bytes end, or NULL where there are too few, or with an exception set. */
static const char *take_raw(Collector *collector, Py_ssize_t index, Py_ssize_t rows, const char *at, const char *end) {
    if (index < 0 || index >= collector->inputs_count) {
        return NULL;
    }
    Input *input = &collector->inputs[index];
    Py_ssize_t row = input->elements * input->size, before = collector->rows * row;
    if (rows > collector->most_bytes / row || end - at < rows * row) {
        return NULL;
    }
    if (before + rows * row > PyByteArray_GET_SIZE(input->rows) && reserve(input, before + rows * row) < 0) {
        return NULL;
    }
    memcpy(PyByteArray_AS_STRING(input->rows) + before, at, (size_t)(rows * row));
    return at + rows * row;
}

int read_binary(Collector *collector, const char *at, const char *end, Py_ssize_t json, Body *body) {
    int found = collector->plans == NULL ? 0 : find_plan(collector, at, json);
    if (found != 1) {
        return found;
    }
    Py_ssize_t rows = PyLong_AsSsize_t(PyTuple_GET_ITEM(collector->plan, 0));
    unsigned seen = 0;
    at += json;
    for (int i = 0; i < collector->inputs_count && rows > 0; i++) {
        Py_ssize_t index = PyLong_AsSsize_t(PyTuple_GET_ITEM(collector->plan, 2 + i));
        at = take_raw(collector, index, rows, at, end);
        if (at == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        seen |= 1u << index;
    }
    PyObject *id = PyTuple_GET_ITEM(collector->plan, 1);
    *body = (Body){rows, PyBytes_AS_STRING(id), PyBytes_GET_SIZE(id)};
    if (PyErr_Occurred()) {
        return -1;
    }
    return rows > 0 && at == end && seen == (1u << collector->inputs_count) - 1;
}
