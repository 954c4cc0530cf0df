/* Writes the answers of a batch: the text of its outputs, made once, is cut into those of the requests. Included by
 * collector.c. */

#define MOST_OUTPUTS 16
#define HEADER_LENGTH "inference-header-content-length: "
#define TIMING 128 /* bytes for a server-timing header at most */

/* One output: what stands before and behind the number of rows in an answer, and the rows of the whole batch, as JSON or
 * as their bytes. */
typedef struct {
    const char *before, *behind, *at, *end;
    Py_ssize_t before_size, behind_size;
    Py_ssize_t flat; /* JSON: one number per row, no brackets around rows. Binary: the bytes of a row */
} Column;

typedef struct {
    const char *status, *common, *prefix;
    Py_ssize_t status_size, common_size, prefix_size;
    int64_t started, finished;
    int binary;
    Column columns[MOST_OUTPUTS];
    Py_ssize_t columns_count;
} Answers;

static char *put(char *to, const char *from, Py_ssize_t size) {
    memcpy(to, from, (size_t)size);
    return to + size;
}

static char *put_number(char *to, uint64_t number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count) {
        *to++ = digits[--count];
    }
    return to;
}

/* Milliseconds with three places, as exchange.py writes them. */
static char *put_duration(char *to, const char *name, int64_t nanoseconds) {
    uint64_t micros = nanoseconds > 0 ? (uint64_t)nanoseconds / 1000 : 0;
    to = put(to, name, (Py_ssize_t)strlen(name));
    to = put_number(to, micros / 1000);
    *to++ = '.';
    *to++ = (char)('0' + micros / 100 % 10);
    *to++ = (char)('0' + micros / 10 % 10);
    *to++ = (char)('0' + micros % 10);
    return to;
}

/* The text of the next row, without brackets; 0 where there is none. */
static int next_row(Column *column, const char **row, Py_ssize_t *size) {
    const char *at = column->at, *stop;
    if (column->flat) {
        stop = memchr(at, ',', (size_t)(column->end - at));
        stop = stop == NULL ? column->end : stop;
        column->at = stop < column->end ? stop + 1 : stop;
    } else {
        if (at == column->end || *at != '[') {
            return 0;
        }
        at++;
        stop = memchr(at, ']', (size_t)(column->end - at));
        if (stop == NULL) {
            return 0;
        }
        column->at = stop + 1 < column->end ? stop + 2 : column->end; /* behind the comma */
    }
    *row = at;
    *size = stop - at;
    return stop > at;
}

/* The bytes of an answer's outputs behind its JSON; NULL where they are too few. */
static char *put_raws(Answers *answers, const Entry *entry, char *to) {
    for (Py_ssize_t i = 0; i < answers->columns_count; i++) {
        Column *column = &answers->columns[i];
        Py_ssize_t size = entry->rows * column->flat;
        if (column->end - column->at < size) {
            PyErr_SetString(PyExc_ValueError, "an output has fewer rows than the requests");
            return NULL;
        }
        to = put(to, column->at, size);
        column->at += size;
    }
    return to;
}

/* The elements of an output in an answer's JSON, or, where they come behind it, how many bytes they are. */
static char *put_elements(Answers *answers, Column *column, Py_ssize_t rows, char *to) {
    if (answers->binary) {
        return put(put_number(to, (uint64_t)(rows * column->flat)), "}},", 3);
    }
    for (Py_ssize_t row = 0; row < rows; row++) {
        const char *text;
        Py_ssize_t size;
        if (!next_row(column, &text, &size)) {
            PyErr_SetString(PyExc_ValueError, "an output has fewer rows than the requests");
            return NULL;
        }
        to = put(to, text, size);
        *to++ = ',';
    }
    return put(to - 1, "]},", 3);
}

/* The answer's body into the scratch; its size, or −1 with an exception set. `json`: how much of it is JSON. */
static Py_ssize_t put_body(Collector *self, Answers *answers, const Entry *entry, Py_ssize_t *json) {
    Py_ssize_t needed = answers->prefix_size + entry->id_size + 64;
    for (Py_ssize_t i = 0; i < answers->columns_count; i++) {
        Column *column = &answers->columns[i];
        needed += column->before_size + column->behind_size + (column->end - column->at) + 64;
    }
    if (grow((void **)&self->scratch, &self->scratch_capacity, needed, 1) < 0) {
        return -1;
    }
    char *to = put(self->scratch, answers->prefix, answers->prefix_size);
    if (entry->id_size) {
        to = put(to, ",\"id\":\"", 7);
        to = put(to, self->ids + entry->id, entry->id_size);
        *to++ = '"';
    }
    to = put(to, ",\"outputs\":[", 12);
    for (Py_ssize_t i = 0; i < answers->columns_count; i++) {
        Column *column = &answers->columns[i];
        to = put(to, column->before, column->before_size);
        to = put_number(to, (uint64_t)entry->rows);
        to = put(to, column->behind, column->behind_size);
        to = put_elements(answers, column, entry->rows, to);
        if (to == NULL) {
            return -1;
        }
    }
    to = put(to - 1, "]}", 2);
    *json = to - self->scratch;
    if (answers->binary) {
        to = put_raws(answers, entry, to);
    }
    return to == NULL ? -1 : to - self->scratch;
}

/* The whole answer as bytes. */
static PyObject *join_answer(Collector *self, const Answers *answers, const Entry *entry, Py_ssize_t size,
                             Py_ssize_t json) {
    char timing[TIMING], length[80];
    char *to = put_duration(timing, "server-timing: decode;dur=", entry->decoded - entry->received);
    to = put_duration(to, ", queue;dur=", answers->started - entry->decoded);
    to = put_duration(to, ", compute;dur=", answers->finished - answers->started);
    to = put(to, "\r\n\r\n", 4);
    Py_ssize_t timing_size = to - timing;
    to = put(put_number(length, (uint64_t)size), "\r\n", 2);
    if (answers->binary) {
        to = put_number(put(to, HEADER_LENGTH, sizeof(HEADER_LENGTH) - 1), (uint64_t)json);
        to = put(to, "\r\n", 2);
    }
    Py_ssize_t length_size = to - length;
    PyObject *whole = PyBytes_FromStringAndSize(
        NULL, answers->status_size + length_size + answers->common_size + timing_size + size);
    if (whole != NULL) {
        to = put(PyBytes_AS_STRING(whole), answers->status, answers->status_size);
        to = put(to, length, length_size);
        to = put(to, answers->common, answers->common_size);
        to = put(to, timing, timing_size);
        put(to, self->scratch, size);
    }
    return whole;
}

/* Answers one request, or leaves it to `slow`. */
static int answer_one(Collector *self, Answers *answers, Py_ssize_t index, PyObject *slow) {
    Entry *entry = &self->entries[index];
    Py_ssize_t json, size = put_body(self, answers, entry, &json);
    if (size < 0) {
        return -1;
    }
    Gate *gate = entry->gate;
    PyObject *done = NULL;
    if (gate->slow || size >= entry->known->smallest) {
        done = PyObject_CallFunction(slow, "ny#n", index, self->scratch, size, json);
    } else if (gate->write != NULL) {
        PyObject *whole = join_answer(self, answers, entry, size, json);
        if (whole == NULL) {
            return -1;
        }
        PyObject *write = gate->write;
        Py_INCREF(write);
        done = PyObject_CallOneArg(write, whole);
        Py_DECREF(write);
        Py_DECREF(whole);
    } else {
        done = Py_NewRef(Py_None); /* the client is gone */
    }
    if (done == NULL) { /* a connection that is being closed: the others are answered all the same */
        PyErr_WriteUnraisable((PyObject *)gate);
    }
    Py_XDECREF(done);
    entry = &self->entries[index];
    if (entry->gate != NULL) {
        entry->gate = NULL;
        leave(gate);
        Py_DECREF((PyObject *)gate);
    }
    return 0;
}

/* Adds the answered requests to a meter's row: see metrics.py. */
static void count_answers(Collector *self, Py_ssize_t start, Py_ssize_t end, const Answers *answers, double *row,
                          Py_ssize_t buckets, const int64_t *bounds) {
    int64_t now = collect_now();
    double sum = 0, decode = 0, queue = 0, rows = 0, count = (double)(end - start);
    double *whole = row + 3 + STAGES, *stages = whole + buckets + 1;
    for (Py_ssize_t i = start; i < end; i++) {
        const Entry *entry = &self->entries[i];
        int64_t total = now - entry->received, decoding = entry->decoded - entry->received;
        int64_t queueing = answers->started - entry->decoded;
        whole[bucket_of(total, buckets, bounds)] += 1;
        stages[bucket_of(decoding, buckets, bounds)] += 1;
        stages[buckets + 1 + bucket_of(queueing, buckets, bounds)] += 1;
        rows += (double)entry->rows;
        sum += (double)total;
        decode += (double)decoding;
        queue += (double)queueing;
    }
    stages[2 * (buckets + 1) + bucket_of(answers->finished - answers->started, buckets, bounds)] += count;
    stages[3 * (buckets + 1) + bucket_of(now - answers->finished, buckets, bounds)] += count;
    row[0] += count;
    row[1] += rows;
    row[2] += sum;
    row[3] += decode;
    row[4] += queue;
    row[5] += count * (double)(answers->finished - answers->started);
    row[6] += count * (double)(now - answers->finished);
}

static int read_columns(PyObject *given, Answers *answers) {
    answers->columns_count = PyTuple_GET_SIZE(given);
    if (answers->columns_count < 1 || answers->columns_count > MOST_OUTPUTS) {
        PyErr_Format(PyExc_ValueError, "a batch has 1 to %d outputs", MOST_OUTPUTS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < answers->columns_count; i++) {
        Column *column = &answers->columns[i];
        const char *text;
        Py_ssize_t size;
        PyObject *item = PyTuple_GET_ITEM(given, i);
        if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "y#y#y#n", &column->before, &column->before_size,
                                                      &column->behind, &column->behind_size, &text, &size,
                                                      &column->flat)) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "an output is (before, behind, text, flat)");
            }
            return -1;
        }
        if (answers->binary ? column->flat < 0 : (size < 2 || text[0] != '[' || text[size - 1] != ']')) {
            PyErr_SetString(PyExc_ValueError, "an output's text is a JSON list, or bytes whose rows have a size");
            return -1;
        }
        column->at = answers->binary ? text : text + 1;
        column->end = answers->binary ? text + size : text + size - 1;
    }
    return 0;
}

/* answer(start, end, (status, common, prefix), columns, binary, started, finished, meter, bounds, slow): write the answers to the
 * requests from `start` up to `end`, and count them. `status` are the first lines up to content-length's number,
 * `common` the further header lines, `prefix` is the beginning of the body; `columns` are tuples (before, behind, text,
 * flat) for each output, or, where it is `binary`, (before, behind, bytes, bytes of a row); `meter` is a row of doubles, `bounds` are the histogram's as 64-bit integers;
 * `slow(index, body, json)` answers those that need more. */
static PyObject *collector_answer(Collector *self, PyObject *args) {
    Answers answers;
    Py_ssize_t start, end;
    PyObject *columns, *slow;
    Py_buffer meter, bounds;
    long long started, finished;
    if (!PyArg_ParseTuple(args, "nn(y#y#y#)O!pLLw*y*O", &start, &end, &answers.status, &answers.status_size,
                          &answers.common, &answers.common_size, &answers.prefix, &answers.prefix_size, &PyTuple_Type,
                          &columns, &answers.binary, &started, &finished, &meter, &bounds, &slow)) {
        return NULL;
    }
    Py_ssize_t buckets = bounds.len / 8, at = start;
    answers.started = started;
    answers.finished = finished;
    if (!self->busy || start < 0 || end > self->count || start >= end) {
        PyErr_SetString(PyExc_IndexError, "no such requests");
        goto end;
    }
    if (meter.len < (Py_ssize_t)sizeof(double) * (3 + STAGES + (1 + STAGES) * (buckets + 1))) {
        PyErr_SetString(PyExc_ValueError, "the meter is too short for so many buckets");
        goto end;
    }
    if (read_columns(columns, &answers) < 0) {
        goto end;
    }
    for (; at < end; at++) {
        if (self->entries[at].gate == NULL) {
            PyErr_SetString(PyExc_IndexError, "a request was answered already");
            break;
        }
        if (answer_one(self, &answers, at, slow) < 0) {
            break;
        }
    }
    count_answers(self, start, at, &answers, meter.buf, buckets, bounds.buf);
end:
    PyBuffer_Release(&meter);
    PyBuffer_Release(&bounds);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}
