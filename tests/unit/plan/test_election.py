"""The election: what one candidate decides, and what several with clocks of their own never do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeprobe.plan.election import (
    LONGEST_LEASE_SECONDS,
    TIMINGS,
    Action,
    Candidate,
    Decision,
    LeaseRecord,
    Timings,
    decide,
    failed,
    leads,
    looked,
    patience,
    stepped_down,
    wrote,
)

NOW = 1000.0
THEIRS = LeaseRecord(holder="b", version="7", lease_seconds=4.0)
FREE = LeaseRecord(holder="", version="7", lease_seconds=4.0)
MINE = LeaseRecord(holder="a", version="8", lease_seconds=4.0)
LEADER = Candidate("a", MINE, changed_at=NOW, looked_at=NOW, renewed_at=NOW)
STANDBY = Candidate("a", THEIRS, changed_at=NOW, looked_at=NOW)


@pytest.mark.parametrize(
    ("candidate", "after", "expected"),
    [
        pytest.param(Candidate("a"), 0.0, Decision(Action.LOOK), id="look first"),
        pytest.param(looked(Candidate("a"), LeaseRecord(), NOW), 0.0, Decision(Action.TAKE), id="there is none"),
        pytest.param(looked(Candidate("a"), FREE, NOW), 0.0, Decision(Action.TAKE), id="it was released"),
        pytest.param(looked(Candidate("a"), MINE, NOW), 0.0, Decision(Action.TAKE), id="it is one's own"),
        pytest.param(STANDBY, 0.0, Decision(Action.WAIT, 0.5), id="somebody leads"),
        pytest.param(STANDBY, 0.5, Decision(Action.LOOK), id="look again"),
        pytest.param(replace(STANDBY, looked_at=NOW + 3.75), 3.75, Decision(Action.WAIT, 0.25), id="nearly free"),
        pytest.param(STANDBY, 3.99, Decision(Action.LOOK), id="not yet"),
        pytest.param(STANDBY, 4.0, Decision(Action.TAKE), id="nothing changed for its duration"),
        pytest.param(failed(STANDBY, NOW + 4), 4.0, Decision(Action.WAIT, 0.5), id="rest after a failure"),
        pytest.param(failed(STANDBY, NOW + 4), 4.5, Decision(Action.LOOK), id="look after a failure"),
        pytest.param(LEADER, 0.0, Decision(Action.WAIT, 1.0), id="just renewed"),
        pytest.param(LEADER, 1.0, Decision(Action.RENEW), id="renew"),
        pytest.param(LEADER, 2.499, Decision(Action.RENEW), id="renew late"),
        pytest.param(LEADER, 2.5, Decision(Action.STEP_DOWN), id="too late"),
        pytest.param(LEADER, 900.0, Decision(Action.STEP_DOWN), id="frozen and thawed"),
        pytest.param(failed(LEADER, NOW + 1), 1.25, Decision(Action.WAIT, 0.25), id="rest after a failed renewal"),
        pytest.param(failed(LEADER, NOW + 2.25), 2.25, Decision(Action.WAIT, 0.25), id="rest, but not beyond the end"),
        pytest.param(failed(LEADER, NOW + 1), 1.5, Decision(Action.LOOK), id="look after a failed renewal"),
        pytest.param(failed(LEADER, NOW + 2), 2.5, Decision(Action.STEP_DOWN), id="failures do not put off the end"),
        pytest.param(looked(LEADER, THEIRS, NOW + 1), 1.0, Decision(Action.STEP_DOWN), id="taken by somebody else"),
        pytest.param(stepped_down(LEADER), 2.5, Decision(Action.LOOK), id="stands again"),
    ],
)
def test_what_is_decided(candidate: Candidate, after: float, expected: Decision) -> None:
    found = decide(candidate, NOW + after)
    assert found.action is expected.action
    assert found.wait_seconds == pytest.approx(expected.wait_seconds)


@pytest.mark.parametrize(
    ("their_seconds", "free_after"), [(0.0, 4.0), (4.0, 4.0), (15.0, 15.0), (86400.0, LONGEST_LEASE_SECONDS)]
)
def test_a_holder_with_a_longer_lease_gets_it_within_reason(their_seconds: float, free_after: float) -> None:
    standby = looked(Candidate("a"), replace(THEIRS, lease_seconds=their_seconds), NOW)
    assert decide(replace(standby, looked_at=NOW + free_after), NOW + free_after - 0.01).action is Action.WAIT
    assert decide(standby, NOW + free_after).action is Action.TAKE


def test_only_a_change_counts_as_a_sign_of_life() -> None:
    again = looked(STANDBY, THEIRS, NOW + 3)
    assert (again.changed_at, again.looked_at) == (NOW, NOW + 3)
    renewed = looked(STANDBY, replace(THEIRS, version="9"), NOW + 3)
    assert renewed.changed_at == NOW + 3
    back = looked(failed(STANDBY, NOW + 3), THEIRS, NOW + 4)
    assert (back.changed_at, back.failed_at) == (NOW, None)


def test_a_leader_counts_from_before_it_asked() -> None:
    leader = wrote(STANDBY, MINE, NOW + 4, NOW + 6)
    assert leader.renewed_at == NOW + 4
    assert leads(leader, NOW + 6.49)
    assert not leads(leader, NOW + 6.5)
    assert not leads(STANDBY, NOW)


def test_an_answer_that_comes_too_late_does_not_mend_a_lapsed_leadership() -> None:
    late = wrote(LEADER, MINE, NOW + 2, NOW + 2.6)
    assert not leads(late, NOW + 2.6)
    assert decide(late, NOW + 2.6).action is Action.STEP_DOWN
    assert leads(wrote(LEADER, MINE, NOW + 2, NOW + 2.4), NOW + 4.4)


def test_an_answer_is_waited_for_only_as_long_as_it_is_of_use() -> None:
    assert patience(STANDBY, NOW) == TIMINGS.renew_deadline_seconds
    assert patience(LEADER, NOW + 1) == pytest.approx(1.5)
    assert patience(LEADER, NOW + 9) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"lease_seconds": 2.5},
        {"renew_deadline_seconds": 1.0},
        {"renew_seconds": 2.5},
        {"look_seconds": 0.0},
        {"look_seconds": 1.5},
    ],
)
def test_timings_that_could_make_two_leaders_or_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"an election needs"):
        Timings(**wrong)


STEP_SECONDS = 0.05
QUIET_FROM_SECONDS = 20.0
LED_WITHIN_SECONDS = 7.0
"""A lease's duration by a slow clock, a request that hangs as long as one is waited for, a look."""


@dataclass(frozen=True)
class Fault:
    """What befalls one candidate for a while."""

    kind: str
    who: int
    at: float
    seconds: float

    def holds(self, kind: str, who: int, now: float) -> bool:
        return self.kind == kind and self.who == who and self.at <= now < self.at + self.seconds


@dataclass
class Request:
    """A request about the lease on its way."""

    action: Action
    who: int
    before: LeaseRecord
    sent_at: float
    give_up_at: float
    arrives: float
    answered: float
    answer: LeaseRecord | None = None
    served: bool = False


@dataclass
class World:
    """One lease, several candidates, each with a clock that has its own start and its own pace."""

    starts: Sequence[float]
    paces: Sequence[float]
    faults: Sequence[Fault]
    delays: Sequence[float]
    lease: LeaseRecord = field(default_factory=LeaseRecord)
    now: float = 0.0
    sent: int = 0
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.candidates = [Candidate(str(who)) for who in range(len(self.paces))]
        self.pending: list[Request | None] = [None] * len(self.paces)

    def clock(self, who: int) -> float:
        return self.starts[who] + self.now * self.paces[who]

    def leaders(self) -> list[int]:
        return [who for who, one in enumerate(self.candidates) if leads(one, self.clock(who))]

    def step(self) -> None:
        self.now += STEP_SECONDS
        for request in self.requests:
            if not request.served and request.arrives <= self.now:
                self.serve(request)
        for who in range(len(self.candidates)):
            if not any(fault.holds("frozen", who, self.now) for fault in self.faults):
                self.act(who)

    def serve(self, request: Request) -> None:
        request.served = True
        if request.action is not Action.LOOK:
            if request.before.version != self.lease.version:
                return
            version = str(int(self.lease.version or 0) + 1)
            self.lease = LeaseRecord(holder=str(request.who), version=version, lease_seconds=4.0)
        request.answer = self.lease

    def act(self, who: int) -> None:
        mine, clock = self.candidates[who], self.clock(who)
        request = self.pending[who]
        if request is not None:
            if request.served and request.answered <= self.now:
                self.pending[who] = None
                if request.answer is None:
                    mine = failed(mine, clock)
                elif request.action is Action.LOOK:
                    mine = looked(mine, request.answer, clock)
                else:
                    mine = wrote(mine, request.answer, request.sent_at, clock)
            elif clock >= request.give_up_at:
                self.pending[who] = None
                mine = failed(mine, clock)
        elif (action := decide(mine, clock).action) is Action.STEP_DOWN:
            mine = stepped_down(mine)
        elif action is not Action.WAIT:
            self.pending[who] = self.send(action, who, mine, clock)
        self.candidates[who] = mine

    def send(self, action: Action, who: int, mine: Candidate, clock: float) -> Request:
        there, back = (self.delays[(self.sent + leg) % len(self.delays)] for leg in (0, 1))
        self.sent += 2
        if self.now >= QUIET_FROM_SECONDS:
            there = back = 0.0
        lost = any(fault.holds("cut", who, self.now) for fault in self.faults)
        deaf = any(fault.holds("deaf", who, self.now) for fault in self.faults)
        arrives = math.inf if lost else self.now + there
        request = Request(
            action, who, mine.lease, clock, clock + patience(mine, clock), arrives, math.inf if deaf else arrives + back
        )
        self.requests.append(request)
        return request


COUNTS = st.integers(2, 3)
FAULTS = st.lists(
    st.builds(
        Fault,
        kind=st.sampled_from(["frozen", "cut", "deaf"]),
        who=st.integers(0, 2),
        at=st.floats(0, QUIET_FROM_SECONDS - 10),
        seconds=st.floats(2, 10),
    ),
    min_size=1,
    max_size=8,
)
WORLDS = st.builds(
    World,
    starts=st.tuples(*[st.floats(0, 1e6)] * 3),
    paces=COUNTS.flatmap(lambda count: st.tuples(*[st.sampled_from([0.9, 1.0, 1.1])] * count)),
    faults=FAULTS,
    delays=st.lists(st.sampled_from([0.0, 0.01, 0.2, 1.4, 2.4, 6.0]), min_size=1, max_size=8),
)


@settings(max_examples=300)
@given(WORLDS)
def test_never_two_lead_and_after_quiet_somebody_does(world: World) -> None:
    while world.now < QUIET_FROM_SECONDS + LED_WITHIN_SECONDS:
        world.step()
        assert len(world.leaders()) <= 1, (world.now, world.candidates)
    for _ in range(40):  # and stays
        assert world.leaders(), (world.now, world.candidates)
        world.step()
