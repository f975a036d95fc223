"""A library without Python's ABI: loaded by ctypes, so that its wheel is for any Python, and for one C library."""

import ctypes
import glob
import os

(_path,) = glob.glob(os.path.join(os.path.dirname(__file__), "_number*.so"))
number = ctypes.CDLL(_path).number
