/* Cuts what a stream has to send into DATA frames, without copying it. See sending.py, which keeps the windows. */

#include "collect.h"

#define FRAME_HEAD 9
#define END_STREAM 1

typedef struct {
    PyObject *pieces; /* the caller's list, whose lengths nobody changes meanwhile */
    Py_ssize_t index, at; /* the piece to go on with, and where in it */
    PyObject *view;       /* of that piece, once it had to be cut; owned */
    PyObject *frames;     /* list: headers and parts of pieces, in their order; owned */
} Cutter;

static Py_ssize_t length_of(PyObject *piece) {
    if (PyBytes_CheckExact(piece)) {
        return PyBytes_GET_SIZE(piece);
    }
    return PyMemoryView_Check(piece) ? PyMemoryView_GET_BUFFER(piece)->len : -1;
}

/* Bytes of all pieces; −1 with an exception where one is neither bytes nor a memoryview. */
static Py_ssize_t length_of_all(PyObject *pieces) {
    Py_ssize_t all = 0;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(pieces); index++) {
        Py_ssize_t length = length_of(PyList_GET_ITEM(pieces, index));
        if (length < 0) {
            PyErr_SetString(PyExc_TypeError, "pieces are bytes or memoryviews");
            return -1;
        }
        all += length;
    }
    return all;
}

static int append(PyObject *list, PyObject *item) {
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

static PyObject *header(Py_ssize_t length, int flags, uint32_t stream) {
    const char head[FRAME_HEAD] = {
        (char)(length >> 16), (char)(length >> 8), (char)length, 0, (char)flags,
        (char)(stream >> 24), (char)(stream >> 16), (char)(stream >> 8), (char)stream,
    };
    return PyBytes_FromStringAndSize(head, FRAME_HEAD);
}

/* The next bytes of the piece as a view of their own. */
static PyObject *part(Cutter *self, PyObject *piece, Py_ssize_t length) {
    if (self->view == NULL) {
        self->view = PyMemoryView_FromObject(piece);
        if (self->view == NULL) {
            return NULL;
        }
    }
    return PySequence_GetSlice(self->view, self->at, self->at + length);
}

/* The payload of one frame: of as many pieces as it takes. There are enough. */
static int cut_payload(Cutter *self, Py_ssize_t left) {
    while (left) {
        PyObject *piece = PyList_GET_ITEM(self->pieces, self->index);
        Py_ssize_t whole = length_of(piece), length = whole - self->at < left ? whole - self->at : left;
        PyObject *taken = length == whole ? Py_NewRef(piece) : part(self, piece, length);
        if (append(self->frames, taken) < 0) {
            return -1;
        }
        left -= length;
        self->at += length;
        if (self->at == whole) {
            self->index++;
            self->at = 0;
            Py_CLEAR(self->view);
        }
    }
    return 0;
}

static int cut_all(Cutter *self, Py_ssize_t size, Py_ssize_t sent, uint32_t stream, int ends) {
    PyObject *full = header(size, 0, stream);
    int failed = full == NULL;
    for (Py_ssize_t left = sent; left && !failed;) {
        Py_ssize_t length = left < size ? left : size;
        left -= length;
        int last = ends && left == 0;
        PyObject *head = length == size && !last ? Py_NewRef(full) : header(length, last ? END_STREAM : 0, stream);
        failed = append(self->frames, head) < 0 || cut_payload(self, length) < 0;
    }
    Py_XDECREF(full);
    return failed ? -1 : 0;
}

PyObject *data_frames(PyObject *module, PyObject *args) {
    (void)module;
    Cutter self = {NULL};
    Py_ssize_t size, room;
    unsigned int stream;
    int ends;
    if (!PyArg_ParseTuple(args, "O!nnIp", &PyList_Type, &self.pieces, &size, &room, &stream, &ends)) {
        return NULL;
    }
    Py_ssize_t all = length_of_all(self.pieces);
    if (all < 0) {
        return NULL;
    }
    if (size <= 0 || size >> 24 || room < 0) {
        PyErr_SetString(PyExc_ValueError, "frames have between 1 and 2^24-1 bytes");
        return NULL;
    }
    Py_ssize_t sent = all < room ? all : room;
    self.frames = PyList_New(0);
    if (self.frames == NULL || cut_all(&self, size, sent, stream, ends && sent == all) < 0) {
        Py_XDECREF(self.frames);
        Py_XDECREF(self.view);
        return NULL;
    }
    Py_XDECREF(self.view);
    return Py_BuildValue("Nnnn", self.frames, sent, self.index, self.at);
}
