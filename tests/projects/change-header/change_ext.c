#include <frobnicate/frobnicate.h>
#include <Python.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "change_ext", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_change_ext(void) { return PyModule_Create(&module); }
