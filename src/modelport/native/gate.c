/* The ways in: a connection's gate takes the requests whose heads are known to the collectors. */

#include "collect.h"

#include <string.h>
#include <time.h>

int64_t collect_now(void) { /* the clock of time.perf_counter_ns */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Port(open) */
static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *open;
    if (!PyArg_ParseTuple(args, "O", &open)) {
        return NULL;
    }
    Port *self = (Port *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->open = Py_NewRef(open);
    }
    return (PyObject *)self;
}

static int port_traverse(Port *self, visitproc visit, void *arg) {
    Py_VISIT(self->open);
    Py_VISIT(self->collector);
    return 0;
}

static int port_clear(Port *self) {
    Py_CLEAR(self->open);
    Py_CLEAR(self->collector);
    return 0;
}

static void port_dealloc(Port *self) {
    PyObject_GC_UnTrack(self);
    port_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* The collector that is open for a port in this pass: borrowed. NULL, perhaps with an exception set: there is none. */
static Collector *find_collector(Port *port) {
    if (port->collector != NULL && port->epoch == collect_epoch && port->collector->open) {
        return port->collector;
    }
    PyObject *open = port->open;
    if (open == NULL) {
        return NULL;
    }
    Py_INCREF(open);
    PyObject *found = PyObject_CallNoArgs(open);
    Py_DECREF(open);
    if (found == NULL) {
        return NULL;
    }
    if (!Py_IS_TYPE(found, &CollectorType) || !((Collector *)found)->open) {
        Py_DECREF(found);
        Py_CLEAR(port->collector);
        return NULL;
    }
    Py_XSETREF(port->collector, (Collector *)found);
    port->epoch = collect_epoch;
    return port->collector;
}

PyTypeObject PortType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native.Port",
    .tp_basicsize = sizeof(Port),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The way from a route to the collector of the version that answers for it in this pass.",
    .tp_new = port_new,
    .tp_dealloc = (destructor)port_dealloc,
    .tp_traverse = (traverseproc)port_traverse,
    .tp_clear = (inquiry)port_clear,
};

/* Known(head, port, length, headers, smallest, timeout, json) */
static PyObject *known_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *head, *port, *headers;
    Py_ssize_t length, smallest, json;
    long long timeout;
    if (!PyArg_ParseTuple(args, "SO!nOnLn", &head, &PortType, &port, &length, &headers, &smallest, &timeout, &json)) {
        return NULL;
    }
    if (json < -1 || json > length) {
        PyErr_SetString(PyExc_ValueError, "the JSON head is longer than the body");
        return NULL;
    }
    if (length < 0 || timeout < 0 || timeout > INT64_MAX / 2) {
        PyErr_SetString(PyExc_ValueError, "the length and the timeout are not negative, nor huge");
        return NULL;
    }
    Known *self = (Known *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->port = (Port *)Py_NewRef(port);
        self->headers = Py_NewRef(headers);
        self->length = length;
        self->smallest = smallest;
        self->json = json;
        self->timeout = timeout;
        self->head = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(head) + 4);
        if (self->head == NULL) {
            Py_DECREF(self);
            return NULL;
        }
        memcpy(PyBytes_AS_STRING(self->head), PyBytes_AS_STRING(head), (size_t)PyBytes_GET_SIZE(head));
        memcpy(PyBytes_AS_STRING(self->head) + PyBytes_GET_SIZE(head), "\r\n\r\n", 4);
    }
    return (PyObject *)self;
}

static int known_traverse(Known *self, visitproc visit, void *arg) {
    Py_VISIT(self->port);
    Py_VISIT(self->headers);
    return 0;
}

static int known_clear(Known *self) {
    Py_CLEAR(self->port);
    Py_CLEAR(self->headers);
    return 0;
}

static void known_dealloc(Known *self) {
    PyObject_GC_UnTrack(self);
    known_clear(self);
    Py_XDECREF(self->head);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

PyTypeObject KnownType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native.Known",
    .tp_basicsize = sizeof(Known),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The head of a request, with what it means whenever it comes again.",
    .tp_new = known_new,
    .tp_dealloc = (destructor)known_dealloc,
    .tp_traverse = (traverseproc)known_traverse,
    .tp_clear = (inquiry)known_clear,
};

/* Gate(heads, most, lane, settled) */
static PyObject *gate_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *heads, *lane, *settled;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "O!nOO", &PyDict_Type, &heads, &most, &lane, &settled)) {
        return NULL;
    }
    Gate *self = (Gate *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->heads = Py_NewRef(heads);
        self->lane = Py_NewRef(lane);
        self->settled = Py_NewRef(settled);
        self->most = most;
    }
    return (PyObject *)self;
}

static int gate_traverse(Gate *self, visitproc visit, void *arg) {
    Py_VISIT(self->heads);
    Py_VISIT(self->write);
    Py_VISIT(self->settled);
    Py_VISIT(self->lane);
    Py_VISIT(self->known);
    Py_VISIT(self->collector);
    return 0;
}

static int gate_clear(Gate *self) {
    Py_CLEAR(self->heads);
    Py_CLEAR(self->write);
    Py_CLEAR(self->settled);
    Py_CLEAR(self->lane);
    Py_CLEAR(self->known);
    Py_CLEAR(self->collector);
    return 0;
}

static void gate_dealloc(Gate *self) {
    PyObject_GC_UnTrack(self);
    gate_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* open(write): the connection is there; its answers go out by `write`. */
static PyObject *gate_open(Gate *self, PyObject *write) {
    Py_XSETREF(self->write, Py_NewRef(write));
    Py_RETURN_NONE;
}

/* close(): the connection is lost; nobody waits for its answers any more. */
static PyObject *gate_close(Gate *self, PyObject *none) {
    Py_CLEAR(self->write);
    Py_CLEAR(self->known);
    self->waiting = 0;
    Py_RETURN_NONE;
}

static const char *find_head_end(const char *at, const char *end) {
    while (end - at >= 4 && (at = memchr(at, '\r', (size_t)(end - at - 3))) != NULL) {
        if (memcmp(at, "\r\n\r\n", 4) == 0) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* The head that begins at `at`: borrowed. NULL, perhaps with an exception set: it is not known, or not here as a whole. */
static Known *find_known(Gate *self, const char *at, const char *end) {
    Known *known = self->known;
    if (known != NULL && end - at >= PyBytes_GET_SIZE(known->head) &&
        memcmp(at, PyBytes_AS_STRING(known->head), (size_t)PyBytes_GET_SIZE(known->head)) == 0) {
        return known;
    }
    const char *stop = find_head_end(at, end);
    if (stop == NULL || self->heads == NULL || PyDict_GET_SIZE(self->heads) == 0) {
        return NULL;
    }
    PyObject *head = PyBytes_FromStringAndSize(at, stop - at);
    if (head == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(self->heads, head);
    Py_DECREF(head);
    if (found == NULL || !Py_IS_TYPE(found, &KnownType)) {
        return NULL;
    }
    Py_XSETREF(self->known, (Known *)Py_NewRef(found));
    return self->known;
}

static int is_full(const Collector *collector) {
    const Input *input = &collector->inputs[0];
    return collector->count >= collector->most_requests ||
           collector->rows * input->elements * input->size >= 16 * collector->most_bytes;
}

/* The bytes from `at` on that are one request, taken; 0 where it goes another way; −1: an exception is set. */
static Py_ssize_t take_request(Gate *self, const char *at, const char *end) {
    int64_t received = collect_now();
    Known *known = find_known(self, at, end);
    Body body;
    if (known == NULL || self->outstanding >= self->most) {
        return PyErr_Occurred() ? -1 : 0;
    }
    const char *start = at + PyBytes_GET_SIZE(known->head);
    if (end - start < known->length) {
        return 0;
    }
    Py_INCREF((PyObject *)known); /* what is called might replace it */
    Py_ssize_t taken = 0;
    Collector *collector = find_collector(known->port);
    if (collector == NULL) {
        taken = PyErr_Occurred() ? -1 : 0;
    } else if (!is_full(collector) && (self->outstanding == 0 || self->collector == collector)) {
        Py_INCREF((PyObject *)collector);
        const char *stop = start + known->length;
        int good = known->json < 0 ? read_body(collector, start, stop, &body)
                                   : read_binary(collector, start, stop, known->json, &body);
        if (good == 1) {
            good = collect_add(collector, self, known, &body, received, collect_now()) < 0 ? -1 : 1;
        }
        if (good == 1) {
            self->outstanding++;
            self->since = received;
            Py_XSETREF(self->collector, (Collector *)Py_NewRef((PyObject *)collector));
            taken = start + known->length - at;
        } else {
            taken = good;
        }
        Py_DECREF((PyObject *)collector);
    }
    Py_DECREF((PyObject *)known);
    return taken;
}

/* take(data) -> how many bytes at its beginning were requests that wait in a collector now. */
static PyObject *gate_take(Gate *self, PyObject *data) {
    if (!PyBytes_CheckExact(data)) {
        return PyLong_FromLong(0);
    }
    const char *begin = PyBytes_AS_STRING(data), *at = begin, *end = at + PyBytes_GET_SIZE(data);
    while (at < end) {
        Py_ssize_t taken = take_request(self, at, end);
        if (taken < 0) {
            return NULL;
        }
        if (taken == 0) {
            break;
        }
        at += taken;
    }
    return PyLong_FromSsize_t(at - begin);
}

static PyMethodDef gate_methods[] = {
    {"take", (PyCFunction)gate_take, METH_O, NULL},
    {"open", (PyCFunction)gate_open, METH_O, NULL},
    {"close", (PyCFunction)gate_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef gate_members[] = {
    {"outstanding", Py_T_PYSSIZET, offsetof(Gate, outstanding), Py_READONLY, NULL},
    {"since", Py_T_LONGLONG, offsetof(Gate, since), Py_READONLY, NULL},
    {"waiting", Py_T_BOOL, offsetof(Gate, waiting), 0, NULL},
    {"slow", Py_T_BOOL, offsetof(Gate, slow), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject GateType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native.Gate",
    .tp_basicsize = sizeof(Gate),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "A connection, as far as it has requests in a collector.",
    .tp_new = gate_new,
    .tp_dealloc = (destructor)gate_dealloc,
    .tp_traverse = (traverseproc)gate_traverse,
    .tp_clear = (inquiry)gate_clear,
    .tp_methods = gate_methods,
    .tp_members = gate_members,
};
