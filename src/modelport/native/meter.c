/* Counts one answered request in a meter's row: see engine/metrics/metrics.py, whose Meter does the same. */

#include "collect.h"

#define MOST_BUCKETS 64

typedef struct {
    PyObject_HEAD
    PyObject *row; /* as it was given */
    Py_buffer values;
    Py_ssize_t buckets;
    int64_t bounds[MOST_BUCKETS];
} Meter;

static PyObject *received_name, *decoded_name, *started_name, *finished_name;

int meter_ready(void) {
    received_name = PyUnicode_InternFromString("received");
    decoded_name = PyUnicode_InternFromString("decoded");
    started_name = PyUnicode_InternFromString("started");
    finished_name = PyUnicode_InternFromString("finished");
    return received_name && decoded_name && started_name && finished_name ? 0 : -1;
}

static PyObject *meter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *row;
    Py_buffer bounds;
    if (!PyArg_ParseTuple(args, "Oy*", &row, &bounds)) {
        return NULL;
    }
    Meter *self = (Meter *)type->tp_alloc(type, 0);
    if (self == NULL) {
        PyBuffer_Release(&bounds);
        return NULL;
    }
    self->buckets = bounds.len / 8;
    int fits = self->buckets <= MOST_BUCKETS;
    if (fits) {
        memcpy(self->bounds, bounds.buf, (size_t)bounds.len);
    }
    PyBuffer_Release(&bounds);
    if (PyObject_GetBuffer(row, &self->values, PyBUF_WRITABLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->row = Py_NewRef(row);
    Py_ssize_t needed = 3 + STAGES + (1 + STAGES) * (self->buckets + 1);
    if (!fits || self->values.len < needed * (Py_ssize_t)sizeof(double)) {
        PyErr_SetString(PyExc_ValueError, "the row is too short for so many buckets, or there are more than 64");
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void meter_dealloc(Meter *self) {
    PyBuffer_Release(&self->values);
    Py_XDECREF(self->row);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* A moment of a request; −1 with an exception set where it has none. */
static int64_t moment_of(PyObject *request, PyObject *name) {
    PyObject *value = PyObject_GetAttr(request, name);
    if (value == NULL) {
        return -1;
    }
    int64_t moment = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return moment;
}

static PyObject *meter_count(Meter *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "count(request, rows, now)");
        return NULL;
    }
    int64_t received = moment_of(args[0], received_name), decoded = moment_of(args[0], decoded_name);
    int64_t started = moment_of(args[0], started_name), finished = moment_of(args[0], finished_name);
    Py_ssize_t rows = PyLong_AsSsize_t(args[1]);
    int64_t now = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    int64_t total = now - received;
    int64_t stages[STAGES] = {decoded - received, started - decoded, finished - started, now - finished};
    double *values = self->values.buf, *bucket = values + 3 + STAGES;
    values[0] += 1;
    values[1] += (double)rows;
    values[2] += (double)total;
    bucket[bucket_of(total, self->buckets, self->bounds)] += 1;
    for (int stage = 0; stage < STAGES; stage++) {
        bucket += self->buckets + 1;
        values[3 + stage] += (double)stages[stage];
        bucket[bucket_of(stages[stage], self->buckets, self->bounds)] += 1;
    }
    Py_RETURN_NONE;
}

static PyMethodDef meter_methods[] = {
    {"count", (PyCFunction)(void (*)(void))meter_count, METH_FASTCALL,
     "count(request, rows, now): count a request that was answered at `now`."},
    {NULL},
};

static PyMemberDef meter_members[] = {
    {"row", Py_T_OBJECT_EX, offsetof(Meter, row), Py_READONLY, "Where it counts."},
    {NULL},
};

PyTypeObject MeterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native._collect.Meter",
    .tp_basicsize = sizeof(Meter),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = meter_new,
    .tp_dealloc = (destructor)meter_dealloc,
    .tp_methods = meter_methods,
    .tp_members = meter_members,
};
