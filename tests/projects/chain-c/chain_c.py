"""The smallest build backend: the modules beside PKG-INFO become a wheel, with a note of who built it."""

import base64
import glob
import hashlib
import os
import zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return build_with("chain_c", wheel_directory)


def build_with(builder, wheel_directory):
    with open("PKG-INFO") as stream:
        metadata = stream.read()
    fields = dict(line.split(": ", 1) for line in metadata.splitlines() if ": " in line)
    stem = "%s-%s" % (fields["Name"].replace("-", "_"), fields["Version"])
    info = stem + ".dist-info"
    files = {os.path.basename(path): read(path) for path in sorted(glob.glob("*.py"))}
    files["%s_built_by.txt" % fields["Name"].replace("-", "_")] = builder.encode()
    files[info + "/METADATA"] = metadata.encode()
    files[info + "/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: chain\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[info + "/RECORD"] = "".join(record_lines(files, info + "/RECORD")).encode()
    name = stem + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path in files:
            archive.writestr(path, files[path])
    return name


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def record_lines(files, record):
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        yield "%s,sha256=%s,%d\n" % (path, digest, len(content))
    yield record + ",,\n"
