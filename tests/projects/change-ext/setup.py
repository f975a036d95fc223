from setuptools import Extension, setup

setup(ext_modules=[Extension("change_ext", ["change_ext.c"])])
