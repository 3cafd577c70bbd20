"""Build images without a daemon, and bring them to the testbed's registry.

Everything of buildah's lies in our own cache folder; what the user has in theirs is not touched. The Python base is
made of Debian packages, since a machine that reaches package registries only has no other way to one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from testbed.errors import TestbedError
from testbed.layout import REGISTRY, RUN_ROOT, cache_root
from testbed.machine import IMAGE_NEEDS, install, is_root, run

PYTHON_BASE = f"{REGISTRY}/python:base"
_PIP_CONFIGS = ("/etc/pip.conf", "/etc/uv/uv.toml")
_CERTIFICATES = "/etc/ssl/certs"
# Without usr-is-merged, apt merges /usr with a program in Perl, and 50 MB of Perl stay.
_MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
_PACKAGES = "python3,python3-venv,ca-certificates,usr-is-merged"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_NEEDED = ("doc", "man", "locale", "info")
# As in the images called `python`: the commands python and pip, and a pip that installs.
_AS_PYTHON_IMAGES = """\
ln -s python3 "$1/usr/bin/python"
rm -f "$1/usr/lib/python3.11/EXTERNALLY-MANAGED"
wheel=$(cd "$1" && ls usr/share/python-wheels/pip-*.whl)
chroot "$1" python3 "/$wheel/pip" install --quiet --no-index --root-user-action=ignore "/$wheel"
rm -rf "$1/var/cache/apt/"* "$1/var/log/"* "$1/root/.cache"
"""


class Images:
    """Builds images into a store of our own and pushes them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._cache = cache_root()
        self.python_base = PYTHON_BASE

    def build(
        self,
        context: Path,
        *,
        tag: str,
        dockerfile: Path | None = None,
        target: str = "",
        build_args: Mapping[str, str] | None = None,
    ) -> None:
        """Build a Dockerfile; unless told otherwise its argument BASE is our Python base."""
        args = {"BASE": PYTHON_BASE, **(build_args or {})}
        if args["BASE"] == PYTHON_BASE:
            self.ensure_python_base()
        argv = ["bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers", "--tag", tag]
        argv += ["--file", str(dockerfile or context / "Dockerfile")]
        argv += ["--target", target] if target else []
        argv += [word for name, value in args.items() for word in ("--build-arg", f"{name}={value}")]
        argv += [word for path in _build_mounts() for word in ("--volume", f"{path}:{path}:ro")]
        self._buildah(*argv, str(context))

    def push(self, tag: str) -> None:
        """Push an image that was built here; the registry speaks plain HTTP."""
        self._buildah("push", "--tls-verify=false", tag, f"docker://{tag}")

    def ensure_python_base(self) -> str:
        """Make the Python base image unless it is in the store; its name."""
        recipe = hashlib.sha256(f"{_PACKAGES}{_NOT_NEEDED}{_AS_PYTHON_IMAGES}".encode()).hexdigest()[:12]
        exact = f"{REGISTRY}/python:{recipe}"
        if not self._has(exact):
            archive = self._python_root(recipe)
            self._say(f"importing {PYTHON_BASE}")
            dockerfile = archive.with_name("Dockerfile")
            dockerfile.write_text(f"FROM scratch\nADD {archive.name} /\nENV PATH={_PATH} LANG=C.UTF-8\n")
            self._buildah(
                "bud", "--isolation", "chroot", "--tag", exact, "--file", str(dockerfile), str(archive.parent)
            )
        self._buildah("tag", exact, PYTHON_BASE)
        return PYTHON_BASE

    def _has(self, tag: str) -> bool:
        return self._buildah("images", "--quiet", "--filter", f"reference={tag}").strip() != ""

    def _python_root(self, recipe: str) -> Path:
        """The base's files as an archive, made once for each recipe."""
        archive = self._cache / "images" / f"python-{recipe}" / "root.tar"
        if not archive.exists():
            self._say("making the Python base image of Debian packages (about 0:40)")
            archive.parent.mkdir(parents=True, exist_ok=True)
            fresh = archive.with_name("new.tar")
            excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _NOT_NEEDED]
            argv = ["mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", *excludes, f"--hook-dir={_MERGED}"]
            argv += ['--aptopt=APT::Install-Recommends "false"', f"--customize-hook={_AS_PYTHON_IMAGES}"]
            run([*argv, "bookworm", str(fresh)], timeout_seconds=1200)
            fresh.replace(archive)
        return archive

    def _buildah(self, *argv: str) -> str:
        if not is_root():
            raise TestbedError("building images needs root: run as root, or build and push with your own tools")
        install(IMAGE_NEEDS, self._say)
        store = [
            "--root",
            str(self._cache / "buildah"),
            "--runroot",
            str(RUN_ROOT / "buildah"),
            "--storage-driver",
            "overlay",
        ]
        env = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        verb, rest = argv[0], list(argv[1:])
        if verb in ("bud", "push"):
            rest = ["--signature-policy", str(self._policy()), *rest]
        return run(["buildah", *store, verb, *rest], env=env, timeout_seconds=1800).stdout

    def _policy(self) -> Path:
        """Whose signatures are asked for: nobody's. (The file of the machine may not be there at all.)"""
        path = self._cache / "images" / "policy.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        return path


def _build_mounts() -> list[str]:
    """The machine's certificates and settings of pip and uv: there for the build, not in the image."""
    return [path for path in (_CERTIFICATES, *_PIP_CONFIGS) if Path(path).exists()]
