/* The rows of the requests that came in one pass of the event loop, and who sent them. */

#include "collect.h"

#include <string.h>

#define MOST_OF_THEM 16 /* times what one request may have: what a batch may have in all */
#define ROOM 4096       /* bytes of rows that there is room for at first */

uint64_t collect_epoch = 1;

static int read_shape(PyObject *given, Input *input) {
    Py_ssize_t rank = PyTuple_Check(given) ? PyTuple_GET_SIZE(given) : 0;
    if (rank < 1 || rank > MOST_DIMENSIONS) {
        PyErr_SetString(PyExc_ValueError, "a shape is a tuple of one to eight sizes");
        return -1;
    }
    input->rank = (int)rank;
    input->elements = 1;
    for (Py_ssize_t axis = 1; axis < rank; axis++) {
        Py_ssize_t size = PyLong_AsSsize_t(PyTuple_GET_ITEM(given, axis));
        if (size < 1 || size > (1 << 20) || input->elements * size > (1 << 24)) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "the size of a row is not fixed, or it is too large");
            }
            return -1;
        }
        input->shape[axis] = size;
        input->elements *= size;
    }
    return 0;
}

static int element_size(char code) {
    switch (code) {
    case 'b': case 'B': return 1;
    case 'h': case 'H': return 2;
    case 'i': case 'I': case 'f': return 4;
    case 'q': case 'Q': case 'd': return 8;
    default: return 0;
    }
}

static int read_input(PyObject *given, Input *input) {
    PyObject *shape;
    const char *code;
    if (!PyTuple_Check(given) ||
        !PyArg_ParseTuple(given, "SSsO", &input->name, &input->datatype, &code, &shape)) {
        input->name = input->datatype = NULL;
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "an input is (name, datatype, code, shape)");
        }
        return -1;
    }
    Py_INCREF(input->name);
    Py_INCREF(input->datatype);
    input->code = code[0];
    input->size = element_size(code[0]);
    if (input->size == 0) {
        PyErr_SetString(PyExc_ValueError, "unknown code of a datatype");
        return -1;
    }
    input->rows = PyByteArray_FromStringAndSize(NULL, 0);
    return input->rows == NULL ? -1 : read_shape(shape, input);
}

/* Collector(inputs, most_requests, most_bytes, plans): inputs are tuples (name, datatype, code, shape); `plans` is None,
 * or a dict of what the JSON heads of binary requests mean. */
static PyObject *collector_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *inputs, *plans;
    Py_ssize_t most_requests, most_bytes;
    if (!PyArg_ParseTuple(args, "O!nnO", &PyTuple_Type, &inputs, &most_requests, &most_bytes, &plans)) {
        return NULL;
    }
    if (plans != Py_None && !PyDict_Check(plans)) {
        PyErr_SetString(PyExc_TypeError, "plans are a dict, or None");
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(inputs);
    if (count < 1 || count > MOST_INPUTS || most_requests < 1 || most_bytes < 1 || most_bytes > (1 << 24)) {
        return PyErr_Format(PyExc_ValueError, "a collector takes 1 to %d inputs, and positive limits", MOST_INPUTS);
    }
    Collector *self = (Collector *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->most_requests = most_requests;
    self->most_bytes = most_bytes;
    self->plans = plans == Py_None ? NULL : Py_NewRef(plans);
    self->inputs = PyMem_Calloc((size_t)count, sizeof(Input));
    if (self->inputs == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        self->inputs_count++;
        if (read_input(PyTuple_GET_ITEM(inputs, i), &self->inputs[i]) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

/* One outstanding request of a connection fewer; the last one tells the connection, where that waits for it. */
static void leave(Gate *gate) {
    if (gate->outstanding > 0 && --gate->outstanding == 0) {
        Py_CLEAR(gate->collector);
        if (gate->waiting) {
            gate->waiting = 0;
            PyObject *settled = gate->settled;
            if (settled != NULL) {
                Py_INCREF(settled);
                PyObject *done = PyObject_CallNoArgs(settled);
                Py_DECREF(settled);
                if (done == NULL) {
                    PyErr_WriteUnraisable((PyObject *)gate);
                }
                Py_XDECREF(done);
            }
        }
    }
}

static void drop_entries(Collector *self) {
    while (self->count > 0) {
        Entry *entry = &self->entries[--self->count];
        Gate *gate = entry->gate;
        Known *known = entry->known;
        entry->gate = NULL;
        entry->known = NULL;
        Py_XDECREF((PyObject *)gate);
        Py_XDECREF((PyObject *)known);
    }
    self->rows = self->ids_size = 0;
    self->latest = INT64_MAX;
}

static int collector_traverse(Collector *self, visitproc visit, void *arg) {
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_VISIT(self->entries[i].gate);
        Py_VISIT(self->entries[i].known);
    }
    return 0;
}

static int collector_clear(Collector *self) {
    drop_entries(self);
    return 0;
}

static void collector_dealloc(Collector *self) {
    PyObject_GC_UnTrack(self);
    drop_entries(self);
    for (int i = 0; i < self->inputs_count; i++) {
        Py_XDECREF(self->inputs[i].name);
        Py_XDECREF(self->inputs[i].datatype);
        Py_XDECREF(self->inputs[i].rows);
    }
    Py_XDECREF(self->plans);
    Py_XDECREF(self->plan_head);
    Py_XDECREF(self->plan);
    PyMem_Free(self->inputs);
    PyMem_Free(self->entries);
    PyMem_Free(self->ids);
    PyMem_Free(self->scratch);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int grow(void **memory, Py_ssize_t *capacity, Py_ssize_t needed, size_t size) {
    if (needed <= *capacity) {
        return 0;
    }
    Py_ssize_t room = needed + *capacity + 64;
    void *larger = PyMem_Realloc(*memory, (size_t)room * size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *memory = larger;
    *capacity = room;
    return 0;
}

int collect_add(Collector *self, Gate *gate, Known *known, const Body *body, int64_t received, int64_t decoded) {
    if (grow((void **)&self->entries, &self->capacity, self->count + 1, sizeof(Entry)) < 0 ||
        grow((void **)&self->ids, &self->ids_capacity, self->ids_size + body->id_size + 1, 1) < 0) {
        return -1;
    }
    Entry *entry = &self->entries[self->count++];
    Py_INCREF((PyObject *)gate);
    Py_INCREF((PyObject *)known);
    *entry = (Entry){gate, known, received, decoded, self->rows, body->rows, self->ids_size, body->id_size};
    if (body->id_size) {
        memcpy(self->ids + self->ids_size, body->id, (size_t)body->id_size);
        self->ids_size += body->id_size;
    }
    self->rows += body->rows;
    if (known->timeout && received + known->timeout < self->latest) {
        self->latest = received + known->timeout;
    }
    return 0;
}

/* begin() -> whether it was closed: from now on requests may come in, until close(). */
static PyObject *collector_begin(Collector *self, PyObject *none) {
    if (self->open || self->busy) {
        return PyBool_FromLong(0);
    }
    self->open = 1;
    self->latest = INT64_MAX;
    for (int i = 0; i < self->inputs_count; i++) {
        if (PyByteArray_GET_SIZE(self->inputs[i].rows) == 0) {
            PyObject *fresh = PyByteArray_FromStringAndSize(NULL, ROOM);
            if (fresh == NULL) {
                return NULL;
            }
            Py_SETREF(self->inputs[i].rows, fresh);
        }
    }
    return PyBool_FromLong(1);
}

/* close() -> (requests, rows, late, buffers): no more come in. Each buffer holds the rows of an input, and may be longer.
 * `late`: some request's deadline has passed. Until clear() the requests are to be answered. */
static PyObject *collector_close(Collector *self, PyObject *none) {
    if (!self->open) {
        PyErr_SetString(PyExc_RuntimeError, "the collector is not open");
        return NULL;
    }
    PyObject *buffers = PyTuple_New(self->inputs_count);
    if (buffers == NULL) {
        return NULL;
    }
    for (int i = 0; i < self->inputs_count; i++) {
        PyObject *fresh = PyByteArray_FromStringAndSize(NULL, 0);
        if (fresh == NULL) {
            Py_DECREF(buffers);
            return NULL;
        }
        PyTuple_SET_ITEM(buffers, i, self->inputs[i].rows);
        self->inputs[i].rows = fresh;
    }
    self->open = 0;
    self->busy = 1;
    collect_epoch++;
    return Py_BuildValue("nnNN", self->count, self->rows,
                         PyBool_FromLong(self->latest != INT64_MAX && collect_now() >= self->latest), buffers);
}

/* clear(): every request is answered, or nobody will. */
static PyObject *collector_clear_method(Collector *self, PyObject *none) {
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Gate *gate = self->entries[i].gate; /* NULL where it was answered */
        if (gate != NULL) {
            leave(gate);
        }
    }
    drop_entries(self);
    self->busy = 0;
    Py_RETURN_NONE;
}

static Entry *entry_at(Collector *self, Py_ssize_t index) {
    if (!self->busy || index < 0 || index >= self->count || self->entries[index].gate == NULL) {
        PyErr_SetString(PyExc_IndexError, "no such request waits for its answer");
        return NULL;
    }
    return &self->entries[index];
}

/* span(start, end) -> (row, row): the rows of the requests from `start` up to `end`. */
static PyObject *collector_span(Collector *self, PyObject *args) {
    Py_ssize_t start, end;
    if (!PyArg_ParseTuple(args, "nn", &start, &end)) {
        return NULL;
    }
    if (!self->busy || start < 0 || end > self->count || start >= end) {
        PyErr_SetString(PyExc_IndexError, "no such requests");
        return NULL;
    }
    return Py_BuildValue("nn", self->entries[start].row, self->entries[end - 1].row + self->entries[end - 1].rows);
}

/* request(index) -> (lane, headers, id, first row, rows, received, decoded, timeout); nanoseconds. */
static PyObject *collector_request(Collector *self, PyObject *argument) {
    Py_ssize_t index = PyLong_AsSsize_t(argument);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Entry *entry = entry_at(self, index);
    if (entry == NULL) {
        return NULL;
    }
    PyObject *id = PyUnicode_DecodeASCII(entry->id_size ? self->ids + entry->id : "", entry->id_size, NULL);
    if (id == NULL) {
        return NULL;
    }
    return Py_BuildValue("OONnnLLL", entry->gate->lane ? entry->gate->lane : Py_None, entry->known->headers, id, entry->row, entry->rows,
                         (long long)entry->received, (long long)entry->decoded, (long long)entry->known->timeout);
}

/* done(index): the request was answered by somebody else. */
static PyObject *collector_done(Collector *self, PyObject *argument) {
    Py_ssize_t index = PyLong_AsSsize_t(argument);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Entry *entry = entry_at(self, index);
    if (entry == NULL) {
        return NULL;
    }
    Gate *gate = entry->gate;
    entry->gate = NULL;
    leave(gate);
    Py_DECREF((PyObject *)gate);
    Py_RETURN_NONE;
}

#include "answer.c"

static PyMethodDef collector_methods[] = {
    {"begin", (PyCFunction)collector_begin, METH_NOARGS, NULL},
    {"close", (PyCFunction)collector_close, METH_NOARGS, NULL},
    {"span", (PyCFunction)collector_span, METH_VARARGS, NULL},
    {"request", (PyCFunction)collector_request, METH_O, NULL},
    {"answer", (PyCFunction)collector_answer, METH_VARARGS, NULL},
    {"done", (PyCFunction)collector_done, METH_O, NULL},
    {"clear", (PyCFunction)collector_clear_method, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject CollectorType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native.Collector",
    .tp_basicsize = sizeof(Collector),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The requests for one version that came in one pass of the event loop, as rows of a batch.",
    .tp_new = collector_new,
    .tp_dealloc = (destructor)collector_dealloc,
    .tp_traverse = (traverseproc)collector_traverse,
    .tp_clear = (inquiry)collector_clear,
    .tp_methods = collector_methods,
};
