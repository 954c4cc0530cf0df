/* modelport.native._collect: the short way of small JSON requests (express.py) and of large gRPC messages
 * (large_body.py), and the counting of requests (metrics.py). */

#include "collect.h"

#define REVISION 6 /* as in __init__.py: a build of other sources is not used */

static PyMethodDef functions[] = {
    {"data_frames", data_frames, METH_VARARGS,
     "data_frames(pieces, size, room, stream, ends): up to `room` bytes of the pieces as frames of up to `size` bytes, the\n"
     "last of them all with END_STREAM if `ends`. (the frames' parts, bytes sent, whole pieces sent, bytes of the next)"},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "modelport.native._collect",
    .m_doc = "The short ways of small JSON requests and of large gRPC messages.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__collect(void) {
#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    PyErr_SetString(PyExc_ImportError, "this machine is not little-endian");
    return NULL;
#else
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    if (PyModule_AddType(module, &CollectorType) < 0 || PyModule_AddType(module, &PortType) < 0 ||
        PyModule_AddType(module, &KnownType) < 0 || PyModule_AddType(module, &GateType) < 0 ||
        PyModule_AddType(module, &FillerType) < 0 || PyModule_AddType(module, &MeterType) < 0 || meter_ready() < 0 ||
        PyModule_AddIntConstant(module, "REVISION", REVISION) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
#endif
}
