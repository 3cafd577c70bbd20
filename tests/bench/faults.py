"""Every fault of the table, made and mended on the testbed: who noticed, when, in which words, when it was over."""

from __future__ import annotations

import argparse
import statistics

from rich.console import Console
from rich.table import Table

from testbed import Testbed
from tests.bench.report import finish, say
from tests.lab.faults import EVERY_SECONDS, FAULTS, NODE_PROBE, OTHER_NODE_PROBE, ROLLOUT_PROBE, install_probes
from tests.lab.lab import PROBES, Lab
from tests.lab.trial import Trial, run_trial

GREEN_SECONDS = 180


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    only = parser.parse_args().only
    testbed = Testbed.open()
    testbed.up()
    lab = Lab.open(testbed)
    lab.install()
    lab.register()
    install_probes(lab)
    faults = [fault for fault in FAULTS if only in fault.name]
    trials = []
    for fault in faults:
        for name in (NODE_PROBE, OTHER_NODE_PROBE, ROLLOUT_PROBE):
            lab.verdict(name, "Passed", GREEN_SECONDS)
        say(f"{fault.name} …")
        try:
            trials.append(run_trial(lab, fault, hold_seconds=2 * EVERY_SECONDS))
        except AssertionError as error:
            say(f"  {error}")
    for name in (NODE_PROBE, OTHER_NODE_PROBE, ROLLOUT_PROBE):
        lab.kubectl.delete("probeconfig", name, PROBES)
    _show(trials)
    finish(
        {
            "faults": len(faults),
            "found": len(trials),
            "named": sum(trial.named for trial in trials),
            "false_alarms": sum(len(trial.false_alarms) for trial in trials),
            "flickers": sum(trial.flickers for trial in trials),
            "seconds_to_verdict_p50": statistics.median(trial.seconds_to_verdict for trial in trials),
            "seconds_to_green_p50": statistics.median(trial.seconds_to_green for trial in trials),
        }
    )


def _show(trials: list[Trial]) -> None:
    table = Table("Fault", "Verdict", "s", "Text", "Named", "Flickers", "Green s")
    for trial in trials:
        table.add_row(
            trial.fault,
            trial.verdict,
            f"{trial.seconds_to_verdict:.0f}",
            trial.text,
            "yes" if trial.named else "no",
            str(trial.flickers),
            f"{trial.seconds_to_green:.0f}",
        )
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
