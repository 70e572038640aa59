"""The C++ compiler that Inductor needs: is there one?"""

from __future__ import annotations

import os
import shutil

import msgspec

from ortbench.engines.base import Availability


def missing_compiler(found: Availability) -> Availability:
    """Return `found`, or where no C++ compiler is, why the engine cannot run after all."""
    names = [os.environ.get("CXX", ""), "g++", "clang++"]
    if any(name and shutil.which(name) for name in names):
        return found
    return msgspec.structs.replace(
        found,
        reason="torch's Inductor writes C++, and no C++ compiler is here",
        remedy="a C++ compiler (on Debian and Ubuntu: apt-get install g++), or its path in CXX",
    )
