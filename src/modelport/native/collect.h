/* What the files of this extension share. All objects belong to one thread, the event loop's, and hold the GIL. */

#ifndef MODELPORT_COLLECT_H
#define MODELPORT_COLLECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

#ifndef Py_T_PYSSIZET /* public under these names since Python 3.12 */
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_T_LONGLONG T_LONGLONG
#define Py_T_BOOL T_BOOL
#define Py_READONLY READONLY
#define Py_T_OBJECT_EX T_OBJECT_EX
#endif

#define MOST_INPUTS 16
#define MOST_DIMENSIONS 8
#define LONGEST_ID 256
#define STAGES 4 /* of a meter: decode, queue, compute, encode; each has buckets behind those of the whole time */

/* One input of a signature whose rows all have the same size. */
typedef struct {
    PyObject *name; /* bytes */
    PyObject *datatype;
    char code;        /* as in Python's struct: f d b h i q B H I Q */
    int size;         /* bytes of one element */
    int rank;
    Py_ssize_t shape[MOST_DIMENSIONS]; /* the first is not looked at: it is the number of rows */
    Py_ssize_t elements;               /* of one row */
    PyObject *rows;                    /* bytearray: what is collected */
} Input;

/* What is known of a request's body once it was read. */
typedef struct {
    Py_ssize_t rows;
    const char *id;
    Py_ssize_t id_size;
} Body;

struct Gate;
struct Known;

typedef struct {
    struct Gate *gate;   /* owned */
    struct Known *known; /* owned */
    int64_t received, decoded; /* nanoseconds of the monotonic clock */
    Py_ssize_t row, rows;
    Py_ssize_t id, id_size; /* a place in `ids` */
} Entry;

/* The requests for one version that came in one pass of the event loop. */
typedef struct {
    PyObject_HEAD
    int inputs_count;
    Input *inputs;
    Py_ssize_t most_requests, most_bytes; /* of all; of one */
    int open, busy;
    uint64_t epoch; /* of the ports that found it open */
    int64_t latest; /* the first moment at which a deadline passes, or INT64_MAX */
    Py_ssize_t count, capacity, rows;
    Entry *entries;
    char *ids;
    Py_ssize_t ids_size, ids_capacity;
    char *scratch; /* for the reply that is being written */
    Py_ssize_t scratch_capacity;
    PyObject *plans; /* dict: the JSON head of a binary request → (rows, id, input, …); NULL where bodies are JSON alone */
    PyObject *plan_head, *plan; /* the last one; owned */
} Collector;

/* The way from a route to the collector of the version that answers for it now. */
typedef struct {
    PyObject_HEAD
    PyObject *open; /* called once in a pass: gives a Collector, or None where requests must go another way */
    Collector *collector;
    uint64_t epoch;
} Port;

/* A head that means the same whenever it comes again. */
typedef struct Known {
    PyObject_HEAD
    PyObject *head; /* bytes, with the empty line */
    Port *port;
    PyObject *headers; /* for those who answer the slow way */
    Py_ssize_t length;
    Py_ssize_t json; /* how much of it is a JSON head with binary tensors behind it; −1: all of it is JSON */
    Py_ssize_t smallest; /* a reply from this size on is compressed: not here */
    int64_t timeout;     /* nanoseconds, or 0 */
} Known;

/* A connection, as far as it has requests in a collector. */
typedef struct Gate {
    PyObject_HEAD
    PyObject *heads;   /* dict: head without the empty line → Known */
    PyObject *write;   /* the transport's; NULL when the connection is lost */
    PyObject *settled; /* called when the last outstanding request is answered and `waiting` is set */
    PyObject *lane;    /* for those who answer the slow way */
    Known *known;      /* the last one */
    Collector *collector; /* where the outstanding requests are; owned */
    Py_ssize_t outstanding, most;
    int64_t since; /* when the last request came */
    char waiting, slow;
} Gate;

extern PyTypeObject CollectorType, PortType, KnownType, GateType, FillerType, MeterType;
extern uint64_t collect_epoch; /* one more whenever a collector closes: what the ports found is old then */

int64_t collect_now(void);
int meter_ready(void);
PyObject *data_frames(PyObject *module, PyObject *args);

/* The bucket of a time, with the one beyond the last bound. */
static inline Py_ssize_t bucket_of(int64_t time, Py_ssize_t buckets, const int64_t *bounds) {
    Py_ssize_t bucket = 0;
    while (bucket < buckets && bounds[bucket] < time) {
        bucket++;
    }
    return bucket;
}

/* 1: the body was read and its rows lie behind those of `collector`, which does not count them yet. 0: it is unusual, or
 * wrong. −1: an exception is set. */
int read_body(Collector *collector, const char *at, const char *end, Body *body);

/* The same for a JSON head of `json` bytes that is among the collector's plans, and binary tensors behind it. */
int read_binary(Collector *collector, const char *at, const char *end, Py_ssize_t json, Body *body);

/* Counts what was read. −1: an exception is set. */
int collect_add(Collector *collector, Gate *gate, Known *known, const Body *body, int64_t received, int64_t decoded);

#endif
