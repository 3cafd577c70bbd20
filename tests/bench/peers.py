"""The probers that are compared, each on a core of its own, and the one target that they all probe.

cloudprober comes from its Go module, pinned by tests/bench/gomod; blackbox_exporter from Debian's package, which is
unpacked and not installed, so that no service of its starts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from probe_sdk.resident.rota import BUSY, LATE
from probe_sdk.resident.spec import SPEC_FILE
from probe_sdk.wire import ENV_CONFIG, ENV_NAMESPACE, ENV_PAGE_PORT, ENV_RESIDENT, ENV_TOKEN_FILE, ENV_URL
from testbed.errors import TestbedError
from testbed.gobuild import Builder, Tool
from testbed.layout import cache_root
from testbed.machine import run, wait_until
from tests.bench.pauses import Pauses
from tests.bench.punctual import IN_PHASE, TOLD_FILE
from tests.bench.report import say
from tests.bench.used import cpu_seconds
from tests.lab.kubectl import eventually
from tests.unit.probes.cert_expiry.pki import mint

MODULES: Final = Path(__file__).parent / "gomod"
TARGET_CORE, PROBER_CORE = "0", "1"
PORT, SECURE_PORT, PAGE_PORT = 18080, 18443, 18090
UP_SECONDS: Final = 30.0
PAGE_SECONDS: Final = 120.0
"""cloudprober takes its time to tell what it did while it does four times what it can."""
LOG_SHOWN_BYTES: Final = 2000
BLACKBOX_PACKAGE: Final = "prometheus-blackbox-exporter"


@dataclass(frozen=True)
class BenchTool(Tool):
    """A tool whose module is a bench's own."""

    def folder(self) -> Path:
        """Where its go.mod is."""
        return MODULES / self.name


CLOUDPROBER: Final = BenchTool(
    "cloudprober", {"cloudprober": "github.com/cloudprober/cloudprober/cmd/cloudprober"}, "", 180
)
TARGET: Final = BenchTool("target", {"target": "kubeprobe.io/bench/target"}, "", 10)


@dataclass(frozen=True)
class Load:
    """What is asked of a prober.

    Args:
        kind: new (connections), kept, or tls (new ones, with a handshake each).
        in_phase: whether all targets are due at the same moment.
    """

    kind: str
    targets: int
    interval_seconds: float
    in_phase: bool = False

    @property
    def url(self) -> str:
        """The target."""
        return f"https://127.0.0.1:{SECURE_PORT}/" if self.kind == "tls" else f"http://127.0.0.1:{PORT}/"

    @property
    def timeout_seconds(self) -> float:
        """A probe ends before the next of its target begins."""
        return self.interval_seconds * 0.9

    @property
    def per_second(self) -> float:
        """Slots of all targets."""
        return self.targets / self.interval_seconds


@dataclass(frozen=True)
class Counts:
    """What a prober says it did, up to a moment of its own.

    Args:
        by_target: how many probes of each target passed.
    """

    at: float
    passed: float
    failed: float
    unknown: float = 0.0
    missed: float = 0.0
    by_target: Mapping[str, float] = field(default_factory=dict)

    def since(self, before: Counts) -> Counts:
        """The difference; `at` is how many seconds it took."""
        names = ("at", "passed", "failed", "unknown", "missed")
        by_target = {name: count - before.by_target.get(name, 0.0) for name, count in self.by_target.items()}
        return Counts(**{name: getattr(self, name) - getattr(before, name) for name in names}, by_target=by_target)

    @property
    def least_share(self) -> float:
        """What the target that came off worst had of what each had in the mean: 1 is the same for all."""
        counts = self.by_target.values()
        return min(counts) * len(counts) / sum(counts) if sum(counts) else 0.0


@dataclass(frozen=True)
class Running:
    """A prober at work."""

    process: subprocess.Popen[bytes]
    counts: Callable[[], Counts]
    folder: Path = field(default_factory=Path)

    def cpu_seconds(self) -> float:
        """What it has used, by user and system."""
        return cpu_seconds(self.process.pid)

    def run_delay_seconds(self) -> float:
        """How long its threads were ready and had no core."""
        waited = 0
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # a thread that has just ended, such as the one that gave us the page
                waited += int(task.read_text().split()[1])
        return waited * 1e-9


class Peers:
    """The programs, built or unpacked where they are not there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pauses = folder / "pauses"
        self._builder = Builder(cache_root(), say)

    @contextmanager
    def target(self) -> Iterator[None]:
        """Answer while the block lasts."""
        leaf = mint("target", now=datetime.now(UTC), names=["127.0.0.1"])
        cert, key = leaf.write(self._folder)
        secure = ["-secure-at", f"127.0.0.1:{SECURE_PORT}", "-cert", str(cert), "-key", str(key)]
        argv = [str(self._tool(TARGET)), "-at", f"127.0.0.1:{PORT}", *secure]
        with self._started(TARGET_CORE, argv) as process:
            self._up(process, f"http://127.0.0.1:{PORT}/answers")
            with self._started(TARGET_CORE, [sys.executable, "-m", "tests.bench.pauses", str(self._pauses)]):
                yield

    def target_pauses(self) -> Pauses:
        """When the target's core stood still."""
        return Pauses.read(self._pauses)

    @contextmanager
    def ours(self, load: Load, watched: str = "") -> Iterator[Running]:
        """This project's prober, all of it: the process of the pod, which serves its page and sends its samples.

        Args:
            watched: what is to be written down of its probes, by the name that tests/bench/punctual.py has for it.
        """
        params = {"url": load.url, "keepAlive": load.kind == "kept", "tls": {"verify": load.kind != "tls"}}
        spec = {
            "interval": f"{load.interval_seconds * 1000:g}ms",
            "timeout": f"{load.timeout_seconds * 1000:g}ms",
            "params": params,
            "targets": [{"name": f"t{number}"} for number in range(load.targets)],
        }
        (self._folder / SPEC_FILE).write_text(json.dumps(spec))
        (self._folder / TOLD_FILE).unlink(missing_ok=True)
        (self._folder / "token").write_text("nobody looks at it")
        told = {
            ENV_RESIDENT: str(self._folder),
            ENV_PAGE_PORT: str(PAGE_PORT),
            ENV_CONFIG: "bench",
            ENV_NAMESPACE: "bench",
            ENV_URL: f"http://127.0.0.1:{PORT}",
            ENV_TOKEN_FILE: str(self._folder / "token"),
        }
        apart = [name for name in (IN_PHASE if load.in_phase else "", watched) if name]
        module = "tests.bench.punctual" if apart else "http_endpoint.probe"
        argv = [sys.executable, "-m", module, *apart]
        with self._started(PROBER_CORE, argv, {**os.environ, **told}) as process:
            self._up(process, f"http://127.0.0.1:{PAGE_PORT}/healthz")
            yield Running(process, _our_counts, self._folder)

    @contextmanager
    def cloudprober(self, load: Load) -> Iterator[Running]:
        """cloudprober with one probe of so many targets; 1 ms between two spreads them over the interval."""
        endpoints = "\n".join(f'endpoint {{ name: "t{n}" url: "{load.url}" }}' for n in range(load.targets))
        gap_msec = round(load.interval_seconds * 1000) if load.in_phase else 1
        config = self._folder / "cloudprober.cfg"
        config.write_text(
            f"""host: "127.0.0.1" port: {PAGE_PORT} disable_jitter: true surfacer {{ type: PROMETHEUS }}
            probe {{
              name: "bench" type: HTTP stats_export_interval_msec: 1000
              interval: "{load.interval_seconds * 1000:g}ms" timeout: "{load.timeout_seconds * 1000:g}ms"
              targets {{ {endpoints} }}
              http_probe {{
                keep_alive: {str(load.kind == "kept").lower()} interval_between_targets_msec: {gap_msec}
                disable_http2: true tls_config {{ disable_cert_validation: true }}
              }}
            }}"""
        )
        argv = [str(self._tool(CLOUDPROBER)), "--config_file", str(config)]
        with self._started(PROBER_CORE, argv, {**os.environ, "GOMAXPROCS": "1"}) as process:
            self._up(process, f"http://127.0.0.1:{PAGE_PORT}/metrics")
            yield Running(process, _cloudprober_counts)

    @contextmanager
    def blackbox(self, load: Load) -> Iterator[Running]:
        """blackbox_exporter, and somebody who has it probe at the load's rate."""
        config = self._folder / "blackbox.yml"
        config.write_text("modules: {http_2xx: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}}\n")
        page = f"127.0.0.1:{PAGE_PORT}"
        argv = [str(self._blackbox()), f"--config.file={config}", f"--web.listen-address={page}"]
        interval = f"{load.interval_seconds * 1000:g}ms"
        scraper = [str(self._tool(TARGET)), "-scrape", f"http://{page}", "-at", f"127.0.0.1:{PORT}"]
        scraper += ["-targets", str(load.targets), "-interval", interval]
        with self._started(PROBER_CORE, argv, {**os.environ, "GOMAXPROCS": "1"}) as process:
            self._up(process, f"http://{page}/metrics")
            with self._started(TARGET_CORE, scraper):
                yield Running(process, lambda: Counts(time.monotonic(), 0.0, 0.0))

    def build(self) -> None:
        """Have all programs ready, so that nothing is built while something is measured."""
        for tool in (TARGET, CLOUDPROBER):
            self._tool(tool)
        self._blackbox()

    def _tool(self, tool: Tool) -> Path:
        if self._builder.lacking([tool]):
            say(f"building {tool.name} from its Go module (some {tool.expected_seconds:.0f}s)")
        return self._builder.build(tool, lambda _: None) / next(iter(tool.programs))

    def _blackbox(self) -> Path:
        unpacked = cache_root() / BLACKBOX_PACKAGE
        program = unpacked / "usr" / "bin" / BLACKBOX_PACKAGE
        if not program.exists():
            say(f"unpacking Debian's {BLACKBOX_PACKAGE}")
            run(["apt-get", "update"], timeout_seconds=600)
            subprocess.run(["apt-get", "download", BLACKBOX_PACKAGE], cwd=self._folder, check=True, capture_output=True)
            (package,) = self._folder.glob(f"{BLACKBOX_PACKAGE}_*.deb")
            with tempfile.TemporaryDirectory(dir=unpacked.parent, prefix=f".{BLACKBOX_PACKAGE}-") as whole:
                run(["dpkg-deb", "--extract", str(package), f"{whole}/package"])
                Path(whole, "package").rename(unpacked)
        return program

    @contextmanager
    def _started(
        self, core: str, argv: list[str], env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(["taskset", "-c", core, *argv], env=env, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(UP_SECONDS)
            finally:
                process.kill()
                process.wait()

    def _up(self, process: subprocess.Popen[bytes], url: str) -> None:
        def answers() -> bool:
            try:
                return httpx.get(url, trust_env=False).is_success
            except httpx.TransportError:
                return False

        def alive() -> None:
            if process.poll() is not None:
                said = (self._folder / "log").read_text(errors="replace")[-LOG_SHOWN_BYTES:]
                raise TestbedError(f"{process.args!r} ended with {process.returncode}:\n{said}")

        wait_until(answers, url, timeout_seconds=UP_SECONDS, alive=alive)
        alive()  # it may be somebody else who answers there


def answers() -> int:
    """How many probes the target has answered."""
    return int(httpx.get(f"http://127.0.0.1:{PORT}/answers", trust_env=False).text)


def _page() -> str:
    return httpx.get(f"http://127.0.0.1:{PAGE_PORT}/metrics", trust_env=False, timeout=PAGE_SECONDS).text


def _our_counts() -> Counts:
    text, at = _page(), time.monotonic()
    outcome = {name: _sum(text, f'kubeprobe_probes_total{{.*outcome="{name}"') for name in OUTCOMES}
    missed = _sum(text, f'kubeprobe_probes_not_passed_total{{.*class="({LATE}|{BUSY})"')
    by_target = _by(text, 'kubeprobe_probes_total{.*outcome="passed".*target="')
    return Counts(at, outcome["passed"], outcome["failed"], outcome["unknown"] - missed, missed, by_target)


OUTCOMES: Final = ("passed", "failed", "unknown")


def _cloudprober_counts() -> Counts:
    """Its page tells when each figure was taken, in milliseconds."""
    taken = re.compile(r"^total\{.* (\d+)$", re.MULTILINE)
    # Where it is kept from its core it has no figures yet, although it answers.
    text = eventually("its first figures", lambda: page if taken.search(page := _page()) else None, PAGE_SECONDS)
    at = max(int(found[1]) for found in taken.finditer(text)) / 1000
    total, passed = (_sum(text, f'{name}{{.*probe="bench"', field=-2) for name in ("total", "success"))
    return Counts(at, passed, total - passed, by_target=_by(text, 'success{.*dst="', field=-2))


def _by(text: str, pattern: str, field: int = -1) -> dict[str, float]:
    """The values by what the pattern ends with the beginning of."""
    line = re.compile(f'^{pattern}([^"]*)"')
    return {found[1]: float(each.split()[field]) for each in text.splitlines() if (found := line.match(each))}


def _sum(text: str, pattern: str, field: int = -1) -> float:
    line = re.compile(f"^{pattern}")
    return sum(float(each.split()[field]) for each in text.splitlines() if line.match(each))
