from setuptools import Extension, setup

limited = Extension(
    "merge_abi3", ["merge_abi3.c"], define_macros=[("Py_LIMITED_API", "0x03090000")], py_limited_api=True
)
setup(ext_modules=[limited], options={"bdist_wheel": {"py_limited_api": "cp39"}})
