/* Takes the DATA frames of one large message out of what a connection received, and puts their payloads where the message
 * is assembled. See large_body.py, which uses it and does all that is not copying: windows, limits, what follows. */

#include "collect.h"

#define FRAME_HEAD 9
#define END_STREAM 1

typedef struct {
    PyObject_HEAD
    Py_buffer memory; /* of the rest of the message; `obj` is NULL once it is released */
    Py_ssize_t at;    /* bytes of it that are written */
    Py_ssize_t left;  /* bytes to come of the frame that is arriving */
    Py_ssize_t filled; /* bytes written by the last `take` */
    uint32_t stream, largest;
    unsigned char head[FRAME_HEAD]; /* the beginning of a frame's header, `have` bytes of it */
    int have;
    char last; /* the frame that is arriving, or was taken last, ends message and stream */
} Filler;

static PyObject *filler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Py_buffer memory;
    unsigned int stream, largest;
    if (!PyArg_ParseTuple(args, "w*II", &memory, &stream, &largest)) {
        return NULL;
    }
    Filler *self = (Filler *)type->tp_alloc(type, 0);
    if (self == NULL) {
        PyBuffer_Release(&memory);
        return NULL;
    }
    self->memory = memory;
    self->stream = stream;
    self->largest = largest;
    return (PyObject *)self;
}

static void filler_dealloc(Filler *self) {
    PyBuffer_Release(&self->memory);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* The payload's length of a plain DATA frame of the stream with a part of the message, or with all that is missing of it
 * and the end of the stream; 0 for any other frame. */
static Py_ssize_t plain_length(const Filler *self, const unsigned char *head) {
    Py_ssize_t length = (Py_ssize_t)head[0] << 16 | (Py_ssize_t)head[1] << 8 | head[2];
    uint32_t stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    Py_ssize_t missing = self->memory.len - self->at;
    int fits = head[4] == END_STREAM ? length == missing : head[4] == 0 && length < missing;
    return head[3] == 0 && fits && stream == self->stream && length <= (Py_ssize_t)self->largest ? length : 0;
}

/* Copies of the frame that is arriving what has come of it; where it ends in the data. */
static const unsigned char *take_payload(Filler *self, const unsigned char *from, const unsigned char *end) {
    Py_ssize_t size = end - from < self->left ? end - from : self->left;
    memcpy((char *)self->memory.buf + self->at, from, (size_t)size);
    self->at += size;
    self->left -= size;
    return from + size;
}

static const unsigned char *take_frames(Filler *self, const unsigned char *from, const unsigned char *end) {
    for (;;) {
        if (self->left) {
            from = take_payload(self, from, end);
        }
        if (self->left || from == end || self->last) {
            return from;
        }
        Py_ssize_t more = FRAME_HEAD - self->have;
        Py_ssize_t some = end - from < more ? end - from : more;
        const unsigned char *head = from;
        if (self->have || some < more) {
            memcpy(self->head + self->have, from, (size_t)some);
            head = self->head;
        }
        if (some < more) {
            self->have += (int)some;
            return end;
        }
        self->left = plain_length(self, head);
        if (self->left == 0) {
            return from; /* what stands in `head` of an earlier piece goes back to the caller as `rest` */
        }
        self->have = 0;
        self->last = head[4] == END_STREAM;
        from += some;
    }
}

static PyObject *filler_take(Filler *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "take(data, at)");
        return NULL;
    }
    Py_ssize_t at = PyLong_AsSsize_t(args[1]);
    Py_buffer data;
    if ((at == -1 && PyErr_Occurred()) || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (at < 0 || at > data.len) {
        PyBuffer_Release(&data);
        PyErr_SetString(PyExc_ValueError, "at is outside the data");
        return NULL;
    }
    const unsigned char *start = data.buf;
    Py_ssize_t before = self->at;
    Py_ssize_t stop = take_frames(self, start + at, start + data.len) - start;
    self->filled = self->at - before;
    PyBuffer_Release(&data);
    return PyLong_FromSsize_t(stop);
}

static PyObject *filler_rest(Filler *self, void *closure) {
    return PyBytes_FromStringAndSize((const char *)self->head, self->have);
}

static PyObject *filler_ended(Filler *self, void *closure) {
    return PyBool_FromLong(self->last && self->left == 0);
}

static PyMethodDef filler_methods[] = {
    {"take", (PyCFunction)(void (*)(void))filler_take, METH_FASTCALL,
     "take(data, at): take frames from `at` on; where the first thing stands that is not to be taken."},
    {NULL},
};

static PyMemberDef filler_members[] = {
    {"filled", Py_T_PYSSIZET, offsetof(Filler, filled), Py_READONLY, "Bytes that the last `take` wrote."},
    {"left", Py_T_PYSSIZET, offsetof(Filler, left), Py_READONLY, "Bytes to come of the frame that is arriving."},
    {NULL},
};

static PyGetSetDef filler_properties[] = {
    {"ended", (getter)filler_ended, NULL, "Whether message and stream are complete.", NULL},
    {"rest", (getter)filler_rest, NULL, "The beginning of a header that was taken, but is not whole.", NULL},
    {NULL},
};

PyTypeObject FillerType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "modelport.native._collect.Filler",
    .tp_basicsize = sizeof(Filler),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = filler_new,
    .tp_dealloc = (destructor)filler_dealloc,
    .tp_methods = filler_methods,
    .tp_members = filler_members,
    .tp_getset = filler_properties,
};
