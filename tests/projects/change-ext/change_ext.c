#include <Python.h>
#include <math.h>

static PyObject *answer(PyObject *self, PyObject *arg) { return PyFloat_FromDouble(cos(PyFloat_AsDouble(arg))); }

static PyMethodDef methods[] = {{"answer", answer, METH_O, "the cosine"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "change_ext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_change_ext(void) { return PyModule_Create(&module); }
