from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel


class AnyPython(bdist_wheel):
    """py3-none-<platform>: what is compiled here knows nothing of Python."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(
    packages=["merge_noabi"],
    ext_modules=[Extension("merge_noabi._number", ["number.c"])],
    cmdclass={"bdist_wheel": AnyPython},
)
