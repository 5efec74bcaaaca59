/* read_ranges: many byte ranges of open files in one call that lets other Python threads run only once.

os.pread lets go of the interpreter lock for each range. Beside a busy thread every one of them then waits for that lock
(up to 5 ms), and the two threads switch for each range. pread.py has the same function in Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <unistd.h>

typedef struct {
    int fd;
    off_t offset;
    char *buffer;
    Py_ssize_t length, got;
} Range;

/* Read a range as far as its file, or an error, lets it. */
static void read_range(Range *range)
{
    while (range->got < range->length) {
        ssize_t count = pread(range->fd, range->buffer + range->got, (size_t)(range->length - range->got),
                              range->offset + (off_t)range->got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        range->got += count;
    }
}

/* Take range `i` from the arguments, and make the bytes that it is read into. -1 with an exception for bad ones. */
static int take_range(Range *range, PyObject *const *numbers, PyObject *pieces, Py_ssize_t i)
{
    long fd = PyLong_AsLong(numbers[0]);
    long long offset = PyLong_AsLongLong(numbers[1]);
    Py_ssize_t length = PyLong_AsSsize_t(numbers[2]);
    if (PyErr_Occurred())
        return -1;
    if (fd < 0 || fd > INT_MAX || offset < 0 || length < 0) {
        PyErr_Format(PyExc_ValueError, "range %zd: descriptor %ld, offset %lld, length %zd", i, fd, offset, length);
        return -1;
    }
    PyObject *piece = PyBytes_FromStringAndSize(NULL, length);
    if (piece == NULL)
        return -1;
    PyList_SET_ITEM(pieces, i, piece);
    *range = (Range){(int)fd, (off_t)offset, PyBytes_AS_STRING(piece), length, 0};
    return 0;
}

static PyObject *read_ranges(PyObject *module, PyObject *const *args, Py_ssize_t num_args)
{
    PyObject *columns[3] = {NULL, NULL, NULL}, *pieces = NULL;
    Range *ranges = NULL;
    Py_ssize_t count = 0;
    int failed = 1;
    if (num_args != 3) {
        PyErr_SetString(PyExc_TypeError, "read_ranges takes descriptors, offsets and lengths");
        return NULL;
    }
    for (int column = 0; column < 3; column++) {
        /* Copies: nobody else can change them while their numbers are taken. */
        columns[column] = PySequence_Tuple(args[column]);
        if (columns[column] == NULL)
            goto done;
        if (PyTuple_GET_SIZE(columns[column]) != PyTuple_GET_SIZE(columns[0])) {
            PyErr_SetString(PyExc_ValueError, "descriptors, offsets and lengths must be equally many");
            goto done;
        }
    }
    count = PyTuple_GET_SIZE(columns[0]);
    pieces = PyList_New(count);
    ranges = PyMem_New(Range, count ? count : 1);
    if (pieces == NULL || ranges == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *const numbers[3] = {PyTuple_GET_ITEM(columns[0], i), PyTuple_GET_ITEM(columns[1], i),
                                      PyTuple_GET_ITEM(columns[2], i)};
        if (take_range(&ranges[i], numbers, pieces, i) < 0)
            goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++)
        read_range(&ranges[i]);
    Py_END_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++) {
        if (ranges[i].got < ranges[i].length) {
            PyObject *whole = PyList_GET_ITEM(pieces, i);
            PyObject *piece = PyBytes_FromStringAndSize(PyBytes_AS_STRING(whole), ranges[i].got);
            if (piece == NULL)
                goto done;
            PyList_SET_ITEM(pieces, i, piece);
            Py_DECREF(whole);
        }
    }
    failed = 0;
done:
    for (int column = 0; column < 3; column++)
        Py_XDECREF(columns[column]);
    PyMem_Free(ranges);
    if (failed)
        Py_CLEAR(pieces);
    return pieces;
}

static PyMethodDef methods[] = {
    {"read_ranges", (PyCFunction)(void (*)(void))read_ranges, METH_FASTCALL,
     "read_ranges(fds, offsets, lengths)\n--\n\nThe bytes of each range, fewer where its file ends or cannot be read."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_pread", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__pread(void) { return PyModuleDef_Init(&definition); }
