"""A package whose build looks around its box, and whose wheel tells what it saw."""

import json
import os
import socket

from setuptools import setup
from setuptools.command.build_py import build_py

PLACES = ("/", "/etc", "/usr", "/home", "/root", "/var/tmp", "/wheelyard", "/wheelyard/in", "/wheelyard/in/sdist", "/sys", "/proc/sys")
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")


class Look(build_py):
    def run(self):
        build_py.run(self)
        with open(os.path.join(self.build_lib, "peek", "seen.json"), "w") as stream:
            json.dump(look(), stream)


def look():
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "status": status(),
        "environment": dict(os.environ),
        "mounts": mounts(),
        "writable": [place for place in PLACES if can_write(place)],
        "sockets": [path for path in SOCKETS if os.path.exists(path)],
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "heard": call(os.environ["PEEK_ADDRESS"]),
        "resolved": resolve("pypi.example"),
        "become_root": becomes_root(),
    }


def status():
    with open("/proc/self/status") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


def mounts():
    """Each mount's place, its options, its kind and where it comes from."""
    found = []
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            left, right = line.split(" - ")
            fields, kind = left.split(), right.split()
            found.append({"root": fields[3], "at": fields[4], "options": fields[5].split(","), "kind": kind[0], "source": kind[1]})
    return found


def can_write(folder):
    path = os.path.join(folder, "peek-was-here")
    try:
        with open(path, "w") as stream:
            stream.write("x")
    except OSError:
        return False
    return True


def call(address):
    """What a server at that address says, or the error in words."""
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=10) as link:
            link.settimeout(600)
            return link.recv(100).decode()
    except OSError as error:
        return "error: %s" % error


def resolve(name):
    try:
        return [entry[4][0] for entry in socket.getaddrinfo(name, 443)]
    except OSError:
        return []


def becomes_root():
    try:
        os.setuid(0)
    except OSError:
        return False
    return True


setup(name=os.path.basename(os.getcwd()).rsplit("-", 1)[0], version="1.0", packages=["peek"], cmdclass={"build_py": Look})
