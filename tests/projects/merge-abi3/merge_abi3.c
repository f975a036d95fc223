#define _GNU_SOURCE
#include <Python.h>
#include <stdlib.h>

/* On a glibc of 2.38 or newer this is another symbol than before: a program that was built there starts nowhere older. */
static PyObject *number(PyObject *self, PyObject *arg) {
    PyObject *text = PyUnicode_AsASCIIString(arg);
    PyObject *found = text ? PyLong_FromLong(strtol(PyBytes_AsString(text), NULL, 10)) : NULL;
    Py_XDECREF(text);
    return found;
}

static PyMethodDef methods[] = {{"number", number, METH_O, "a text's number"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "merge_abi3", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_merge_abi3(void) { return PyModule_Create(&module); }
