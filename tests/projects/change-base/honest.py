"""A build backend of one page: a wheel with one module, whose text the environment may shape (CHANGE_WORD)."""

import base64
import email
import hashlib
import os
import zipfile


def build_wheel(
    wheel_directory, config_settings=None, metadata_directory=None, name=None, tag="py3-none-any", requires=()
):
    """Write the wheel that PKG-INFO asks for, or one under another name, or one that requires more."""
    with open("PKG-INFO", encoding="utf-8") as stream:
        told = email.message_from_file(stream)
    name, version = name or told["Name"], told["Version"]
    stem = "{}-{}".format(name.replace("-", "_"), version)
    requires = "".join("Requires-Dist: {}\n".format(line) for line in [*(told.get_all("Requires-Dist") or []), *requires])
    metadata = "Metadata-Version: 2.2\nName: {}\nVersion: {}\n{}".format(name, version, requires)
    members = {
        "{}.py".format(name.replace("-", "_")): "WORD = {!r}\n".format(os.environ.get("CHANGE_WORD", "")),
        stem + ".dist-info/METADATA": metadata,
        stem + ".dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: change\nRoot-Is-Purelib: true\nTag: {}\n".format(tag),
    }
    record = stem + ".dist-info/RECORD"
    members[record] = "".join(_line(path, text.encode()) for path, text in members.items()) + record + ",,\n"
    filename = "{}-{}.whl".format(stem, tag)
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return filename


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """The metadata alone, so that nobody builds twice to have it."""
    with open("PKG-INFO", encoding="utf-8") as stream:
        told = email.message_from_file(stream)
    folder = "{}-{}.dist-info".format(told["Name"].replace("-", "_"), told["Version"])
    os.makedirs(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w", encoding="utf-8") as stream:
        stream.write(told.as_string())
    return folder


def _line(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return "{},sha256={},{}\n".format(path, digest, len(content))
