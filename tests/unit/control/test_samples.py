"""From what a resident prober sends, or has in its log, to the ProbeResult: nothing twice, nothing lost, few writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.residents import KEY, Ear, pod_of
from tests.unit.plan.builders import NAMESPACE, at
from tests.unit.plan.builders import config as plain_config
from tests.unit.plan.residents import line, sample, samples

from kubeprobe.api import Condition, ResidentSource, Verdict
from kubeprobe.control import kubelet, resident_store
from kubeprobe.control.context import Kind
from kubeprobe.control.discovery import Discovery
from kubeprobe.control.kubelet import AGAIN_SECONDS, MOST_AT_ONCE
from kubeprobe.control.resident import ResidentReconciler
from kubeprobe.intake.port import PodIdentity, SamplesAnswer
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.resident_answer import WRITE_GAP_SECONDS
from kubeprobe.plan.resident_pod import read_resident_pod
from kubeprobe.plan.samples import SILENT_SECONDS
from probe_sdk.samples import MAX_TARGETS, Samples, TargetSample


def target(name: str, verdict: str = "Passed", **more: Any) -> TargetSample:
    message = "" if verdict == "Passed" else "refused"
    return sample(name, **{"verdict": verdict, "message": message, "turns": 1, "passed": 10, **more})


def round_of(sequence: int, *targets: TargetSample, **more: Any) -> Samples:
    return samples(sequence, *targets, **{"round": sequence, "complete": True, **more})


GREEN = (target("a"), target("b"), target("c"))
RED = target("b", "Failed", turns=2, failed=1, since=at(5))


@pytest.fixture
def ear() -> Ear:
    ear = Ear()
    ear.config()
    return ear


class TestAnswer:
    async def test_a_first_round_makes_the_answer_and_a_turn_turns_it_at_once(self, ear: Ear) -> None:
        who = ear.pod()
        assert await ear.tell(who, round_of(1, *GREEN)) is SamplesAnswer.COUNTED
        green = ear.written()
        assert (green.verdict, green.message) == (Verdict.PASSED, "")
        assert green.resident is not None
        assert (green.resident.targets, green.resident.passed, green.resident.probers) == (3, 3, 1)
        assert green.fresh_until is not None
        ear.seconds = 6
        assert await ear.tell(who, samples(2, RED, of=3)) is SamplesAnswer.COUNTED
        red = ear.written()
        assert (red.verdict, red.since, red.message) == (
            Verdict.FAILED,
            at(5),
            "1 of 3 targets fails: b (refused)",
        )
        assert red.resident is not None
        assert [one.target for one in red.resident.failing] == ["b"]

    async def test_summaries_that_say_the_same_are_not_written(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        before = ear.writes()
        for sequence in range(2, 30):
            ear.seconds = 10.0 * sequence
            same = (target(one, passed=10 * sequence) for one in "abc")
            assert await ear.tell(who, round_of(sequence, *same)) is SamplesAnswer.COUNTED
        assert ear.writes() == before

    async def test_the_heartbeat_brings_all_that_was_counted_since(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 900
        await ear.tell(who, round_of(2, *(target(one, passed=1000, failed=1) for one in "abc")))
        await ear.look(901)
        hour = ear.written().window[0]
        assert (hour.passed, hour.failed) == (3000, 3)

    async def test_a_flapping_target_is_written_once_a_second_and_then_more_seldom(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        before, verdicts = ear.writes(), ["Failed", "Passed"]
        for number in range(600):
            ear.seconds = 2 + number / 10
            turned = target("b", verdicts[number % 2], turns=number + 2, since=at(ear.seconds))
            await ear.sink.accept(who, samples(number + 2, turned, of=3), ear.now())
            await ear.results.reconcile(KEY)
        assert 30 <= ear.writes() - before <= 45
        ear.seconds = 100
        await ear.tell(who, round_of(700, *(target(one, turns=650) for one in "abc")))
        await ear.look(106)
        assert ear.written().verdict is Verdict.PASSED
        assert "flap: a (turned" in ear.written().message

    async def test_without_a_word_nobody_knows(self, ear: Ear) -> None:
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        await ear.look(30)
        assert ear.written().verdict is Verdict.PASSED
        await ear.look(31.5)
        assert (ear.written().verdict, ear.written().reason) == (Verdict.UNKNOWN, "Stale")

    async def test_the_first_word_after_silence_is_the_answer_at_once_though_nothing_turned(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        await ear.look(31.5)
        assert ear.written().reason == "Stale"
        ear.seconds = 40
        await ear.tell(who, round_of(2, *GREEN))
        assert (ear.written().verdict, ear.written().reason) == (Verdict.PASSED, "Passed")

    async def test_the_first_message_after_words_from_the_log_says_at_once_which_way_it_came(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 22
        ear.cluster.logs["main-1"] = line(sequence=3, round=3).text()
        await ear.reader.look()
        await ear.work()
        by_log = ear.written().resident
        assert by_log is not None
        assert by_log.source is ResidentSource.KUBELET
        ear.seconds = 25
        await ear.tell(who, round_of(4, *GREEN))
        by_message = ear.written().resident
        assert by_message is not None
        assert by_message.source is ResidentSource.INTAKE

    async def test_targets_that_are_gone_are_gone_from_the_answer(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN[:1], RED))
        ear.seconds = 20
        await ear.tell(who, round_of(2, *GREEN[:1]))
        assert (ear.written().verdict, ear.written().since) == (Verdict.PASSED, at(20))

    async def test_another_mode_takes_it_all_away(self, ear: Ear) -> None:
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        ear.views.configs.put(plain_config(metadata={"resourceVersion": "99"}))
        await ear.look(10)
        await ear.look(1000)
        assert ear.written().resident is None
        assert ear.store.probers(KEY) == {}


async def tell_for_long(ear: Ear, who: PodIdentity, *missed: int) -> list[int]:
    """Summaries of a thousand slots each; the numbers of those after which the config is looked at for its rate."""
    looked, total = [], 0
    for number, more in enumerate(missed, 1):
        ear.seconds, total = 10.0 * number, total + more
        slots: dict[str, Any] = {"passed": 1000 * number - total, "unknown": total, "missed": total}
        await ear.sink.accept(who, round_of(number, target("a", **slots)), ear.now())
        await ear.results.reconcile(KEY)
        if (Kind.RESIDENT, KEY) in ear.queue._ready:
            looked.append(number)
        ear.queue.close()
        ear.queue.open()
    return looked


class TestRate:
    async def test_one_that_is_not_kept_is_looked_at_once_it_has_lasted(self, ear: Ear) -> None:
        config, who = ear.config(interval="1s"), ear.pod()
        looked = await tell_for_long(ear, who, *[400] * 40)
        assert looked[0] == 14  # two minutes after the second message, the first with a difference
        assert ear.store.served_share(config) == pytest.approx(0.6)
        assert ear.store.served_share(ear.config(interval="2s")) is None
        assert ear.store.served_share(plain_config()) is None

    async def test_what_stands_already_is_not_looked_at(self, ear: Ear) -> None:
        config, who = ear.config(interval="1s"), ear.pod()
        kept = Condition(
            type="RateKept", status="True", reason="RateKept", observed_generation=1, last_transition_time=at(0)
        )
        status = config.status.model_copy(update={"conditions": (kept,)})
        metadata = config.metadata.model_copy(update={"resource_version": "50"})
        ear.views.configs.put(config.model_copy(update={"status": status, "metadata": metadata}))
        looked = await tell_for_long(ear, who, *[50] * 60, *[900] * 30)
        assert looked[0] > 60

    async def test_what_is_known_of_it_reaches_the_config(self, ear: Ear) -> None:
        """Through the reconciler, which has it from the same store."""
        one = ear.config(interval="1s")
        body = one.model_dump(by_alias=True, exclude_none=True, mode="json")
        ear.cluster.objects["probeconfigs", NAMESPACE, "main"] = body
        api: Any = ear.cluster
        residents = ResidentReconciler(ear.context, Discovery(api, ear.context, lambda: 0.0), ear.store)
        await tell_for_long(ear, ear.pod(), *[400] * 20)
        await residents.reconcile(KEY)
        (written,) = ear.cluster.all("probeconfigs")
        reasons = {each["type"]: each["reason"] for each in written["status"]["conditions"]}
        assert reasons["RateKept"] == "IntervalTooShort"
        assert await tell_for_long(ear, ear.pod("main-2"), *[400] * 20) == []  # it stands by now


class TestRefusal:
    async def test_what_came_before_or_was_overtaken_changes_nothing(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(2, *GREEN))
        for said in (round_of(2, *GREEN), samples(1, RED, of=3)):
            assert await ear.tell(who, said) is SamplesAnswer.KNOWN
        assert ear.written().verdict is Verdict.PASSED
        assert ear.written().window[0].passed == 30

    async def test_an_epoch_that_is_over_is_dead(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN, epoch="2"))
        assert await ear.tell(who, round_of(9, RED, epoch="1")) is SamplesAnswer.DEAD
        assert ear.written().verdict is Verdict.PASSED

    async def test_counts_that_go_backwards_are_refused(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        assert await ear.tell(who, round_of(2, target("a", passed=9))) is SamplesAnswer.BACKWARDS
        assert ear.written().window[0].passed == 30

    @pytest.mark.parametrize(
        "pod",
        [
            pod_of(labels={}),
            pod_of(labels={"kubeprobe.io/config": "main"}),
            pod_of(config="another"),
            pod_of(uid="another"),
            pod_of(creationTimestamp=at(-60).isoformat()),
        ],
    )
    async def test_another_pod_is_refused(self, ear: Ear, pod: dict[str, Any]) -> None:
        ear.cluster.objects["pods", NAMESPACE, "main-1"] = pod
        who = PodIdentity(NAMESPACE, "main-1", "uid-main-1")
        assert await ear.tell(who, round_of(1, *GREEN)) is SamplesAnswer.UNKNOWN_POD
        assert ear.store.keys() == ()

    async def test_a_pod_that_is_gone_is_refused(self, ear: Ear) -> None:
        who = PodIdentity(NAMESPACE, "main-1", "uid-main-1")
        assert await ear.tell(who, round_of(1, *GREEN)) is SamplesAnswer.UNKNOWN_POD

    async def test_a_pod_of_a_config_in_another_mode_is_refused(self, ear: Ear) -> None:
        ear.views.configs.put(plain_config(metadata={"resourceVersion": "99"}))
        assert await ear.tell(ear.pod(), round_of(1, *GREEN)) is SamplesAnswer.UNKNOWN_POD

    async def test_one_that_the_watch_has_not_told_of_yet_is_looked_at(self, ear: Ear) -> None:
        ear.cluster.objects["pods", NAMESPACE, "main-1"] = pod_of()
        who = PodIdentity(NAMESPACE, "main-1", "uid-main-1")
        assert await ear.tell(who, round_of(1, *GREEN)) is SamplesAnswer.COUNTED
        assert ear.written().verdict is Verdict.PASSED

    async def test_a_pod_that_cannot_be_looked_at_is_no_answer(self, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(*_: object) -> Any:
            raise ApiError(500, "InternalError", "no")

        monkeypatch.setattr(ear.cluster, "get", fail)
        with pytest.raises(ApiError):
            await ear.tell(PodIdentity(NAMESPACE, "main-1", "uid-main-1"), round_of(1, *GREEN))

    async def test_a_replica_that_does_not_lead_takes_nothing(self, ear: Ear) -> None:
        ear.leading = False
        assert await ear.tell(ear.pod(), round_of(1, *GREEN)) is SamplesAnswer.UNAVAILABLE

    async def test_a_leader_that_is_deposed_while_it_looks_for_the_pod_takes_nothing(
        self, ear: Ear, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def deposed(*_: object) -> Any:
            ear.leading = False
            return pod_of()

        monkeypatch.setattr(ear.cluster, "get", deposed)
        who = PodIdentity(NAMESPACE, "main-1", "uid-main-1")
        assert await ear.tell(who, round_of(1, *GREEN)) is SamplesAnswer.UNAVAILABLE
        assert ear.store.keys() == ()

    async def test_more_targets_than_there_is_room_for_are_refused(
        self, ear: Ear, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resident_store, "MOST_TARGETS", 4)
        one, two = ear.pod(), ear.pod("main-2")
        assert await ear.tell(one, round_of(1, *GREEN)) is SamplesAnswer.COUNTED
        assert await ear.tell(two, round_of(1, *GREEN)) is SamplesAnswer.FULL
        assert await ear.tell(one, round_of(2, *GREEN)) is SamplesAnswer.COUNTED
        ear.views.resident_pods.drop((NAMESPACE, "main-1"), one.pod_uid)
        await ear.look(2)
        assert await ear.tell(two, round_of(1, *GREEN)) is SamplesAnswer.COUNTED

    async def test_a_prober_that_calls_its_targets_ever_anew_has_no_room_for_that(self, ear: Ear) -> None:
        who, answers = ear.pod(), []
        for number in range(3):
            targets = (target(f"{number}-{place}") for place in range(MAX_TARGETS))
            answers.append(await ear.tell(who, samples(number + 1, *targets, of=1)))
        assert answers == [SamplesAnswer.COUNTED, SamplesAnswer.COUNTED, SamplesAnswer.FULL]


class TestRestart:
    async def test_after_a_restart_of_the_operator_nothing_counts_twice_and_nothing_is_lost(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 6
        await ear.tell(who, round_of(2, *GREEN[:2], target("c", "Failed", turns=2, failed=1)))
        assert ear.written().window[0].passed == 30

        after = Ear(ear.cluster, seconds=20)
        after.config()
        after.pod()
        await after.look(20)
        assert after.written().verdict is Verdict.FAILED
        partial = samples(3, target("a", passed=17, turns=2), of=3)
        await after.tell(who, partial)
        assert (after.written().verdict, after.written().window[0].passed) == (Verdict.FAILED, 30)
        after.seconds = 25
        await after.tell(who, round_of(4, *(target(one, passed=20, turns=3, failed=1) for one in "abc")))
        assert after.written().verdict is Verdict.PASSED
        assert (after.written().window[0].passed, after.written().window[0].failed) == (60, 3)

    async def test_a_new_leader_begins_from_what_is_written(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.results.reset()
        assert ear.store.listening_since == at(1)
        ear.seconds = 400
        ear.results.reset()
        await ear.look(405)
        assert ear.written().verdict is Verdict.PASSED
        await ear.tell(who, round_of(2, *(target(one, passed=11) for one in "abc")))
        await ear.look(1000)
        assert ear.written().window[0].passed == 33

    async def test_nobody_was_silent_before_they_could_find_the_way_here(self, ear: Ear) -> None:
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        ear.results.reset()
        ear.seconds = 100  # so long it took until the views were in step
        ear.store.listen()
        await ear.look(129)
        assert ear.written().verdict is Verdict.PASSED
        await ear.look(131)
        assert ear.written().reason == "Stale"

    async def test_a_new_leader_does_not_turn_the_verdict_before_each_node_was_heard(self, ear: Ear) -> None:
        ear.config(eachNode=True)
        one, two = ear.pod("p1", node="n1"), ear.pod("p2", node="n2")
        await ear.tell(one, round_of(1, *GREEN))
        ear.seconds = 6
        await ear.tell(two, round_of(1, *GREEN[:1], RED))
        red, writes = ear.written(), ear.writes()
        assert red.verdict is Verdict.FAILED
        ear.seconds = 50
        ear.results.reset()
        await ear.look(50)
        for who, said in ((one, round_of(6, *GREEN)), (two, round_of(6, *GREEN[:1], RED))):
            ear.seconds += 3
            await ear.tell(who, said)
            assert (ear.written().verdict, ear.written().since) == (Verdict.FAILED, red.since)
        assert ear.writes() == writes

    async def test_a_restarted_prober_counts_on(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 6
        await ear.tell(who, round_of(1, target("a", passed=2), target("b", passed=2), RED, epoch="2"))
        assert ear.written().window[0].passed == 30 + 2 + 10

    async def test_a_pod_takes_over_from_another_without_a_gap(self, ear: Ear) -> None:
        old = ear.pod("old")
        await ear.tell(old, round_of(1, *GREEN))
        new = ear.pod("new", creationTimestamp=at(5).isoformat())
        ear.seconds = 6
        await ear.tell(new, samples(1, *(target(one, "Unknown", passed=0) for one in "abc"), epoch="2", of=3))
        assert ear.written().verdict is Verdict.PASSED
        ear.views.resident_pods.drop((NAMESPACE, "old"), old.pod_uid)
        ear.seconds = 9
        await ear.tell(new, round_of(2, *(target(one, passed=5, turns=2) for one in "abc"), epoch="2"))
        await ear.look(12)
        assert ear.written().verdict is Verdict.PASSED
        assert set(ear.store.probers(KEY)) == {"uid-new"}

    async def test_what_a_pod_told_last_counts_though_it_is_gone(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 11
        await ear.sink.accept(who, round_of(2, *(target(one, passed=20) for one in "abc")), ear.now())
        ear.views.resident_pods.drop((NAMESPACE, "main-1"), who.pod_uid)
        await ear.look(900)
        assert ear.written().window[0].passed == 60

    async def test_a_config_that_is_gone_is_forgotten(self, ear: Ear) -> None:
        main = ear.config()
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        ear.views.configs.drop(KEY, main.metadata.uid)
        await ear.look(2)
        assert ear.store.keys() == ()

    async def test_so_is_one_that_another_of_its_name_has_followed(self, ear: Ear) -> None:
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        again = ear.config(interval="2s")
        meta = again.metadata.model_copy(update={"uid": "uid-again", "resource_version": "9"})
        ear.views.configs.put(again.model_copy(update={"metadata": meta}))
        await ear.tell(ear.pod("main-2"), round_of(1, *GREEN))
        assert set(ear.store.probers(KEY)) == {"uid-main-2"}

    async def test_a_pod_of_the_one_before_it_is_not_waited_for(self, ear: Ear) -> None:
        ear.pod("former", creationTimestamp=at(-60).isoformat())
        assert ear.store.voices(KEY) == ()
        await ear.look(31)
        assert ear.written().message.startswith("it has no pod")


class TestKubelet:
    async def test_the_log_is_read_when_nothing_arrives_and_the_answer_says_so(self, ear: Ear) -> None:
        who = ear.pod()
        await ear.tell(who, round_of(1, *GREEN))
        ear.seconds = 1 + SILENT_SECONDS - 1
        ear.cluster.logs["main-1"] = "hello\n" + line("b", sequence=3, round=3).text() + "\nsamples not delivered\n"
        await ear.reader.look()
        await ear.work()
        assert ear.written().verdict is Verdict.PASSED
        ear.seconds = 1 + SILENT_SECONDS
        await ear.reader.look()
        await ear.work()
        red = ear.written()
        assert (red.verdict, red.resident and red.resident.source) == (Verdict.FAILED, ResidentSource.KUBELET)
        assert red.message.startswith("1 of 3 targets fails: b (refused); this is from a prober's log")
        ear.seconds = 40
        await ear.tell(who, round_of(4, *(target(one, turns=3) for one in "abc")))
        green = ear.written()
        assert (green.verdict, green.resident and green.resident.source) == (Verdict.PASSED, ResidentSource.INTAKE)

    def test_it_is_read_within_half_a_minute(self) -> None:
        assert SILENT_SECONDS + kubelet.LOOK_SECONDS + kubelet.ANSWER_SECONDS + WRITE_GAP_SECONDS <= 30

    async def test_a_line_that_stays_the_same_is_no_sign_of_life(self, ear: Ear) -> None:
        await ear.tell(ear.pod(), round_of(1, *GREEN))
        ear.cluster.logs["main-1"] = line(sequence=2).text()
        for seconds in (25, 35, 45, 55.5):
            ear.seconds = seconds
            await ear.reader.look()
            await ear.look(seconds)
        assert (ear.written().verdict, ear.written().reason) == (Verdict.UNKNOWN, "Stale")
        reads = ear.context.metrics.registry
        assert reads.get_sample_value("kubeprobe_resident_log_reads_total", {"answer": "news"}) == 1
        assert reads.get_sample_value("kubeprobe_resident_log_reads_total", {"answer": "silent"}) == 3

    async def test_a_log_is_not_read_all_the_time(self, ear: Ear) -> None:
        ear.pod()
        counts = []
        for seconds in (30, 30 + AGAIN_SECONDS - 1, 30 + AGAIN_SECONDS):
            ear.seconds = seconds
            await ear.reader.look()
            found = ear.context.metrics.log_reads.labels("failed")
            counts.append(found._value.get())
        assert counts == [1, 1, 2]

    async def test_only_running_pods_of_resident_configs_are_read(self, ear: Ear) -> None:
        ear.pod("stopped", resourceVersion="1")
        waiting = pod_of("waiting")
        waiting["status"] = {}
        ear.views.resident_pods.drop((NAMESPACE, "stopped"), "uid-stopped")
        ear.views.resident_pods.put(read_resident_pod(waiting))
        ear.pod("other", config="other")
        ear.seconds = 100
        await ear.reader.look()
        assert ear.context.metrics.log_reads.labels("failed")._value.get() == 0

    async def test_many_silent_pods_are_read_in_turns(self, ear: Ear) -> None:
        ear.config(eachNode=True)
        for number in range(MOST_AT_ONCE + 3):
            ear.pod(f"p{number:02}", node=f"n{number}")
            ear.cluster.logs[f"p{number:02}"] = ""
        ear.seconds = 100
        read = ear.context.metrics.log_reads.labels("silent")._value
        await ear.reader.look()
        assert read.get() == MOST_AT_ONCE
        await ear.reader.look()
        assert read.get() == MOST_AT_ONCE + 3

    async def test_a_kubelet_that_hangs_holds_nothing_up(self, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
        async def hang(*_: object, **__: object) -> str:
            await asyncio.Event().wait()
            return ""

        monkeypatch.setattr(ear.cluster, "pod_log", hang)
        monkeypatch.setattr("kubeprobe.control.kubelet.ANSWER_SECONDS", 0.01)
        ear.pod()
        ear.seconds = 100
        await ear.reader.look()
        assert ear.context.metrics.log_reads.labels("failed")._value.get() == 1

    async def test_a_dead_node_holds_up_no_other_ones_logs(self, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
        hung, read = 0, ear.cluster.pod_log

        async def pod_log(namespace: str, pod: str, container: str, **more: int) -> str:
            nonlocal hung
            if pod == "main-1":
                hung += 1
                await asyncio.Event().wait()
            return await read(namespace, pod, container, **more)

        monkeypatch.setattr(ear.cluster, "pod_log", pod_log)
        monkeypatch.setattr("kubeprobe.control.kubelet.LOOK_SECONDS", 0.001)
        monkeypatch.setattr("kubeprobe.control.kubelet.MOST_AT_ONCE", 3)
        ear.config(eachNode=True)
        ear.pod()
        ear.pod("main-2", node="n2")
        ear.cluster.logs["main-2"] = ""
        ear.seconds = 100
        running = asyncio.create_task(ear.reader.run())
        async with asyncio.timeout(10):
            while hung < 3:
                ear.seconds += AGAIN_SECONDS
                await asyncio.sleep(0.002)
            before = ear.context.metrics.log_reads.labels("silent")._value.get()
            ear.seconds += AGAIN_SECONDS
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert before >= 2
        assert hung == 3  # no more at a time than may be
        assert ear.context.metrics.log_reads.labels("silent")._value.get() == before

    async def test_it_looks_again_and_again(self, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kubeprobe.control.kubelet.LOOK_SECONDS", 0.001)
        ear.pod()
        ear.seconds = 100
        running = asyncio.create_task(ear.reader.run())
        async with asyncio.timeout(10):
            while ear.context.metrics.log_reads.labels("failed")._value.get() < 2:
                ear.seconds += AGAIN_SECONDS
                await asyncio.sleep(0.002)
        running.cancel()
