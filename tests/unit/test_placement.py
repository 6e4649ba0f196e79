"""Placement: who gets a slot, what is loaded where, what is unloaded, who waits."""

from collections import Counter
from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import given

from cluster.placement import emptied, plan
from cluster.situation import (
    Action,
    AgentState,
    Evict,
    Grant,
    NodeState,
    Place,
    Reject,
    Wanted,
)

FAIRNESS_S = 30.0


def node(name: str, *on_disk: str, **changes: object) -> NodeState:
    return replace(NodeState(name, max_models=3, on_disk=frozenset(on_disk)), **changes)  # type: ignore[arg-type]


def want(number: int, model: str, **changes: object) -> Wanted:
    return replace(Wanted(number, model, since=float(number)), **changes)  # type: ignore[arg-type]


def ready(node: str, model: str, **changes: object) -> AgentState:
    return replace(AgentState(node, model, "ready"), **changes)  # type: ignore[arg-type]


def decide(
    demands: list[Wanted],
    agents: list[AgentState],
    nodes: list[NodeState],
    owed: frozenset[str] = frozenset(),
) -> tuple[Action, ...]:
    return plan(demands, agents, nodes, FAIRNESS_S, owed)


class TestRefusals:
    def test_a_model_that_no_pc_has_is_refused_at_once(self) -> None:
        assert decide([want(1, "a")], [], [node("pc1", "b")]) == (Reject(1, "a", "absent"),)

    def test_without_any_pc_nothing_waits_for_ever(self) -> None:
        assert decide([want(1, "a")], [], []) == (Reject(1, "a", "absent"),)

    def test_a_pc_that_may_load_nothing_has_no_models(self) -> None:
        nodes = [node("pc1", "a", max_models=0)]
        assert decide([want(1, "a")], [], nodes) == (Reject(1, "a", "absent"),)

    def test_nothing_is_refused_while_a_pc_has_not_told_what_it_has(self) -> None:
        assert decide([want(1, "a")], [], [node("pc1", known=False)]) == ()

    def test_a_pc_that_cannot_run_models_holds_no_refusal_up(self) -> None:
        nodes = [node("head", max_models=0, known=False), node("pc2", "b")]
        assert decide([want(1, "a")], [], nodes) == (Reject(1, "a", "absent"),)

    def test_open_breakers_everywhere_fail_fast_even_with_a_ready_agent(self) -> None:
        nodes = [node("pc1", "a", usable=False)]
        agents = [ready("pc1", "a")]
        assert decide([want(1, "a")], agents, nodes) == (Reject(1, "a", "unreachable"),)

    def test_a_model_that_fails_to_load_on_every_pc_is_refused(self) -> None:
        nodes = [node("pc1", "a", cooling=frozenset("a")), node("pc2", "a", usable=False)]
        assert decide([want(1, "a")], [], nodes) == (Reject(1, "a", "failing"),)

    def test_a_load_failure_on_one_pc_sends_the_model_to_the_other(self) -> None:
        nodes = [node("pc1", "a", cooling=frozenset("a")), node("pc2", "a")]
        assert decide([want(1, "a")], [], nodes) == (Place("a", "pc2"),)

    def test_a_model_deleted_from_disk_is_served_while_its_agent_is_there(self) -> None:
        agents = [ready("pc1", "a")]
        assert decide([want(1, "a")], agents, [node("pc1")]) == (Grant(1, "a", "pc1"),)


class TestGrants:
    def test_a_free_slot_goes_to_the_oldest_council(self) -> None:
        demands = [want(1, "a", since=9.0), want(2, "a", since=3.0)]
        assert decide(demands, [ready("pc1", "a")], [node("pc1", "a")]) == (Grant(2, "a", "pc1"),)

    def test_two_slots_serve_two_demands(self) -> None:
        nodes = [node("pc1", "a", num_parallel=2)]
        granted = decide([want(1, "a"), want(2, "a")], [ready("pc1", "a")], nodes)
        assert granted == (Grant(1, "a", "pc1"), Grant(2, "a", "pc1"))

    def test_the_work_of_a_model_on_two_pcs_is_shared(self) -> None:
        nodes = [node("pc1", "a", num_parallel=2), node("pc2", "a", num_parallel=2)]
        agents = [ready("pc1", "a", busy=1), ready("pc2", "a")]
        assert decide([want(1, "a")], agents, nodes) == (Grant(1, "a", "pc2"),)

    def test_the_chairman_prefers_a_slot_on_the_head(self) -> None:
        nodes = [node("pc1", "a"), node("pc2", "a", is_head=True)]
        agents = [ready("pc1", "a"), ready("pc2", "a")]
        chairman = want(1, "a", prefer_head=True)
        assert decide([chairman], agents, nodes) == (Grant(1, "a", "pc2"),)

    def test_a_pc_to_avoid_is_left_out_while_another_has_the_model(self) -> None:
        nodes = [node("pc1", "a"), node("pc2", "a")]
        again = want(1, "a", avoid=frozenset({"pc1"}))
        assert decide([again], [ready("pc1", "a")], nodes) == (Place("a", "pc2"),)

    def test_a_pc_to_avoid_serves_if_no_other_has_the_model(self) -> None:
        again = want(1, "a", avoid=frozenset({"pc1"}))
        granted = decide([again], [ready("pc1", "a")], [node("pc1", "a"), node("pc2", "b")])
        assert granted == (Grant(1, "a", "pc1"),)

    def test_fewer_slots_than_calls_in_progress_grants_none(self) -> None:
        agents = [ready("pc1", "a", busy=3)]
        assert decide([want(1, "a")], agents, [node("pc1", "a", num_parallel=2)]) == ()


class TestPlaces:
    def test_where_the_model_is_resident_comes_before_where_it_is_on_disk(self) -> None:
        nodes = [node("pc1", "a"), node("pc2", "a", resident=frozenset("a"), max_models=1)]
        assert decide([want(1, "a")], [], nodes) == (Place("a", "pc2"),)

    def test_otherwise_the_pc_with_most_room(self) -> None:
        nodes = [node("pc1", "a", "b"), node("pc2", "a")]
        assert decide([want(1, "a")], [ready("pc1", "b")], nodes) == (Place("a", "pc2"),)

    def test_the_chairmans_model_prefers_the_head(self) -> None:
        nodes = [node("pc1", "a"), node("pc2", "a", is_head=True, max_models=1)]
        assert decide([want(1, "a", prefer_head=True)], [], nodes) == (Place("a", "pc2"),)

    def test_a_starting_agents_slots_are_waited_for(self) -> None:
        agents = [AgentState("pc1", "a", "starting")]
        assert decide([want(1, "a")], agents, [node("pc1", "a")]) == ()

    def test_demand_beyond_the_slots_starts_a_second_agent_elsewhere(self) -> None:
        nodes = [node("pc1", "a"), node("pc2", "a")]
        demands = [want(1, "a"), want(2, "a"), want(3, "a")]
        actions = decide(demands, [ready("pc1", "a")], nodes)
        assert actions == (Grant(1, "a", "pc1"), Place("a", "pc2"))

    def test_two_slots_to_come_start_no_third_agent(self) -> None:
        nodes = [node(f"pc{n}", "a", num_parallel=2) for n in (1, 2, 3)]
        demands = [want(n, "a") for n in range(4)]
        assert decide(demands, [ready("pc1", "a", busy=2)], nodes) == (
            Place("a", "pc2"),
            Place("a", "pc3"),
        )

    def test_sharing_takes_only_what_no_other_model_needs(self) -> None:
        nodes = [node("pc1", "a", max_models=1), node("pc2", "a", "b", max_models=1)]
        demands = [want(1, "a"), want(2, "b")]
        assert decide(demands, [ready("pc1", "a", busy=1)], nodes) == (Place("b", "pc2"),)

    def test_nothing_is_evicted_for_sharing(self) -> None:
        nodes = [node("pc1", "a", max_models=1), node("pc2", "a", "b", max_models=1)]
        agents = [ready("pc1", "a", busy=1), ready("pc2", "b")]
        assert decide([want(1, "a")], agents, nodes) == ()

    def test_a_model_on_its_way_out_is_not_started_beside_itself(self) -> None:
        agents = [AgentState("pc1", "a", "leaving")]
        assert decide([want(1, "a")], agents, [node("pc1", "a")]) == ()

    def test_agents_of_a_pc_that_is_gone_do_not_count(self) -> None:
        agents = [ready("pc9", "a")]
        assert decide([want(1, "a")], agents, [node("pc1", "a")]) == (Place("a", "pc1"),)


class TestEvictions:
    full = node("pc1", "a", "b", "c", max_models=2)

    def test_the_longest_unused_agent_nobody_waits_for_goes(self) -> None:
        agents = [ready("pc1", "a", last_used=5.0), ready("pc1", "b", last_used=2.0)]
        assert decide([want(1, "c")], agents, [self.full]) == (Evict("b", "pc1"),)

    def test_a_busy_agent_stays(self) -> None:
        agents = [ready("pc1", "a", busy=1), ready("pc1", "b", busy=1)]
        assert decide([want(1, "c")], agents, [self.full]) == ()

    def test_an_agent_that_somebody_waits_for_stays(self) -> None:
        agents = [ready("pc1", "a", busy=1), ready("pc1", "b", busy=1)]
        demands = [want(1, "c"), want(2, "a"), want(3, "b")]
        assert decide(demands, agents, [self.full]) == ()

    def test_room_that_is_being_made_is_waited_for(self) -> None:
        agents = [AgentState("pc1", "a", "leaving"), ready("pc1", "b")]
        assert decide([want(1, "c")], agents, [self.full]) == ()

    def test_one_room_being_made_serves_one_model(self) -> None:
        agents = [AgentState("pc1", "a", "leaving"), ready("pc1", "b")]
        demands = [want(1, "c"), want(2, "c"), want(3, "d")]
        nodes = [node("pc1", "a", "b", "c", "d", max_models=2)]
        assert decide(demands, agents, nodes) == (Evict("b", "pc1"),)

    def test_past_the_bound_a_wanted_model_gives_way_once_idle(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1)]
        demands = [want(1, "a", waited_s=5.0), want(2, "c", waited_s=31.0)]
        assert decide(demands, [ready("pc1", "a", busy=1)], nodes) == ()
        assert decide(demands, [ready("pc1", "a")], nodes) == (Evict("a", "pc1"),)

    def test_below_the_bound_it_serves_its_own_queue(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1)]
        demands = [want(1, "c", waited_s=29.0), want(2, "a", waited_s=5.0)]
        assert decide(demands, [ready("pc1", "a")], nodes) == (Grant(2, "a", "pc1"),)

    def test_who_waited_longer_keeps_the_place(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1)]
        demands = [want(1, "c", waited_s=31.0), want(2, "a", waited_s=40.0)]
        assert decide(demands, [ready("pc1", "a")], nodes) == (Grant(2, "a", "pc1"),)

    def test_equal_waits_displace_nobody(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1)]
        demands = [want(1, "c", waited_s=31.0), want(2, "a", waited_s=31.0)]
        assert decide(demands, [ready("pc1", "a")], nodes) == (Grant(2, "a", "pc1"),)

    def test_the_room_made_goes_to_who_waited_past_the_bound(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1)]
        demands = [want(1, "a", waited_s=5.0), want(2, "c", waited_s=31.0)]
        assert decide(demands, [], nodes) == (Place("c", "pc1"),)

    def test_a_spare_agent_gives_way_without_waiting_for_the_bound(self) -> None:
        nodes = [node("pc1", "a", max_models=1), node("pc2", "a", "c", max_models=1)]
        agents = [ready("pc1", "a", busy=1), ready("pc2", "a")]
        demands = [want(1, "a"), want(2, "c")]
        assert decide(demands, agents, nodes) == (Evict("a", "pc2"),)

    def test_the_chairmans_model_takes_the_place_on_the_head(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1), node("pc2", "b", "c", max_models=1)]
        nodes[1] = replace(nodes[1], is_head=True)
        agents = [ready("pc1", "a"), ready("pc2", "b", last_used=9.0)]
        chairman = want(1, "c", prefer_head=True)
        assert decide([chairman], agents, nodes) == (Evict("b", "pc2"),)


class TestDraining:
    away = node("pc2", "a", duty="draining")

    def test_what_another_pc_can_serve_goes_there(self) -> None:
        agents = [ready("pc2", "a")]
        actions = decide([want(1, "a")], agents, [node("pc1", "a"), self.away])
        assert actions == (Place("a", "pc1"), Evict("a", "pc2"))

    def test_a_full_pc_that_stays_is_waited_for(self) -> None:
        nodes = [node("pc1", "a"), self.away]
        assert decide([want(1, "a")], [ready("pc1", "a", busy=1)], nodes) == ()

    def test_a_pc_that_stays_is_asked_again_before_one_that_leaves(self) -> None:
        again = want(1, "a", avoid=frozenset({"pc1"}))
        nodes = [node("pc1", "a"), self.away]
        assert decide([again], [ready("pc1", "a")], nodes) == (Grant(1, "a", "pc1"),)

    def test_what_only_it_can_serve_is_still_served(self) -> None:
        others = [node("pc1", "b"), node("pc3", "a", usable=False)]
        agents = [ready("pc2", "a")]
        assert decide([want(1, "a")], agents, [*others, self.away]) == (Grant(1, "a", "pc2"),)
        assert decide([want(1, "a")], [], [*others, self.away]) == (Place("a", "pc2"),)

    def test_running_calls_end_before_their_agent_does(self) -> None:
        nodes = [node("pc1", "a"), self.away]
        assert decide([], [ready("pc2", "a", busy=1)], nodes) == ()
        assert decide([], [ready("pc2", "a")], nodes) == (Evict("a", "pc2"),)

    def test_an_agent_stays_that_open_councils_find_nowhere_else(self) -> None:
        agents, owed = [ready("pc2", "a")], frozenset("a")
        assert decide([], agents, [node("pc1", "b"), self.away], owed) == ()
        assert decide([], agents, [node("pc1", "a"), self.away], owed) == (Evict("a", "pc2"),)

    def test_a_drained_pc_is_given_nothing(self) -> None:
        gone = node("pc2", "a", duty="drained")
        assert decide([want(1, "a")], [], [gone]) == (Reject(1, "a", "drained"),)
        assert decide([want(1, "a")], [], [gone, node("pc1", "a")]) == (Place("a", "pc1"),)
        assert decide([], [ready("pc2", "a")], [gone], frozenset("a")) == (Evict("a", "pc2"),)

    def test_a_drained_pc_that_tells_nothing_holds_no_refusal_up(self) -> None:
        nodes = [node("pc1", "b"), node("pc2", duty="drained", known=False)]
        assert decide([want(1, "a")], [], nodes) == (Reject(1, "a", "absent"),)

    def test_an_agent_on_a_pc_that_leaves_makes_no_other_one_spare(self) -> None:
        nodes = [node("pc1", "a", "c", max_models=1), self.away]
        agents = [ready("pc1", "a", busy=1), ready("pc2", "a", busy=1)]
        assert decide([want(1, "a"), want(2, "c")], agents, nodes) == ()

    def test_it_is_drained_once_nothing_is_left_there_that_is_needed(self) -> None:
        nodes = [node("pc1", "b"), self.away]
        assert emptied([], [], nodes, frozenset()) == ("pc2",)
        assert emptied([], [ready("pc2", "a")], nodes, frozenset()) == ()
        assert emptied([], [AgentState("pc2", "a", "leaving")], nodes, frozenset()) == ()
        assert emptied([want(1, "a")], [], nodes, frozenset()) == ()
        assert emptied([], [], nodes, frozenset("a")) == ()
        assert emptied([want(1, "b")], [ready("pc1", "b")], nodes, frozenset("b")) == ("pc2",)
        assert emptied([want(1, "a")], [], [node("pc1", "a"), self.away], frozenset("a")) == (
            "pc2",
        )


MODELS = ["a", "b", "c", "d"]
PCS = ["pc1", "pc2", "pc3"]
some_models = st.frozensets(st.sampled_from(MODELS))


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Wanted], list[AgentState], list[NodeState]]:
    nodes = [
        NodeState(
            name=name,
            max_models=draw(st.integers(0, 3)),
            num_parallel=draw(st.integers(1, 2)),
            is_head=name == "pc1",
            known=draw(st.booleans()),
            usable=draw(st.booleans()),
            duty=draw(st.sampled_from(["serving", "serving", "draining", "drained"])),
            on_disk=draw(some_models),
            resident=draw(some_models),
            cooling=draw(some_models) if draw(st.booleans()) else frozenset(),
        )
        for name in draw(st.lists(st.sampled_from(PCS), unique=True))
    ]
    keys = draw(st.sets(st.tuples(st.sampled_from(PCS), st.sampled_from(MODELS)), max_size=6))
    agents = [
        AgentState(
            node=pc,
            model=model,
            state=draw(st.sampled_from(["starting", "ready", "leaving"])),
            busy=draw(st.integers(0, 2)),
            last_used=draw(st.integers(0, 3)),
        )
        for pc, model in sorted(keys)
    ]
    demands = [
        Wanted(
            number=number,
            model=draw(st.sampled_from(MODELS)),
            since=draw(st.integers(0, 3)),
            waited_s=draw(st.sampled_from([0.0, 31.0, 50.0])),
            avoid=draw(st.frozensets(st.sampled_from(PCS), max_size=2)),
            prefer_head=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return demands, agents, nodes


@given(situations())
def test_no_plan_breaks_a_rule(
    situation: tuple[list[Wanted], list[AgentState], list[NodeState]],
) -> None:
    """Slots, rooms, one agent of a model a PC, only idle agents end, one answer a demand."""
    demands, agents, nodes = situation
    actions = decide(*situation)
    by_name = {n.name: n for n in nodes}
    seated = {(a.node, a.model): a for a in agents}
    granted = [a for a in actions if isinstance(a, Grant)]
    placed = [(a.node, a.model) for a in actions if isinstance(a, Place)]
    evicted = [(a.node, a.model) for a in actions if isinstance(a, Evict)]
    answers = Counter(a.demand for a in actions if isinstance(a, Grant | Reject))
    assert all(count == 1 for count in answers.values())
    for key, count in Counter((g.node, g.model) for g in granted).items():
        assert seated[key].state == "ready"
        assert count + seated[key].busy <= by_name[key[0]].num_parallel
        assert by_name[key[0]].usable
        assert key not in evicted
    assert len(set(placed)) == len(placed)
    assert not set(placed) & set(seated)
    for name, count in Counter(name for name, _ in placed).items():
        assert count + sum(a.node == name for a in agents) <= by_name[name].max_models
    for pc, model in placed:
        assert model in by_name[pc].on_disk and by_name[pc].usable
        assert model not in by_name[pc].cooling
    for key in evicted:
        assert (seated[key].state, seated[key].busy) == ("ready", 0)
    assert len(set(evicted)) == len(evicted)


@given(situations(), some_models)
def test_a_pc_that_leaves_gets_only_what_no_other_can_serve(
    situation: tuple[list[Wanted], list[AgentState], list[NodeState]], owed: frozenset[str]
) -> None:
    """A drained one gets nothing, ends every idle agent, and once drained nothing needs it."""
    demands, agents, nodes = situation
    actions = decide(*situation, owed)
    duty = {n.name: n.duty for n in nodes}
    seated = {(a.node, a.model) for a in agents if a.state != "leaving"}

    def stays(model: str) -> bool:
        return any(
            n.duty == "serving" and n.usable and n.max_models > 0 and model not in n.cooling
            for n in nodes
            if model in n.on_disk or (n.name, model) in seated
        )

    for action in actions:
        if isinstance(action, Grant | Place):
            assert duty[action.node] == "serving" or (
                duty[action.node] == "draining" and not stays(action.model)
            )
    ended = {(a.node, a.model) for a in actions if isinstance(a, Evict)}
    wanted = owed | {d.model for d in demands}
    for agent in agents:
        idle = agent.state == "ready" and agent.busy == 0
        needless = agent.model not in wanted or stays(agent.model)
        leaves = duty.get(agent.node) == "drained" or (
            duty.get(agent.node) == "draining" and needless
        )
        assert not (idle and leaves) or (agent.node, agent.model) in ended
    for name in emptied(demands, agents, nodes, owed):
        assert duty[name] == "draining" and not any(a.node == name for a in agents)
        disk = next(n for n in nodes if n.name == name)
        able = disk.usable and disk.max_models > 0
        assert not able or all(stays(m) for m in wanted & disk.on_disk if m not in disk.cooling)


@given(situations(), st.randoms())
def test_the_order_in_which_things_are_told_does_not_matter(
    situation: tuple[list[Wanted], list[AgentState], list[NodeState]], random: Random
) -> None:
    expected = decide(*situation)
    for things in situation:
        random.shuffle(things)
    assert decide(*situation) == expected


@given(situations())
def test_of_equal_demands_the_older_is_granted_first(
    situation: tuple[list[Wanted], list[AgentState], list[NodeState]],
) -> None:
    demands = situation[0]
    granted = {a.demand for a in decide(*situation) if isinstance(a, Grant)}
    for younger in demands:
        for older in demands:
            alike = (older.model, older.avoid) == (younger.model, younger.avoid)
            if alike and (older.since, older.number) < (younger.since, younger.number):
                assert older.number in granted or younger.number not in granted


@given(
    st.lists(st.tuples(st.sampled_from(MODELS), st.integers(1, 4)), min_size=1, max_size=25),
    st.integers(1, 2),
    st.integers(1, 2),
)
def test_every_demand_is_served_in_the_end(
    work: list[tuple[str, int]], max_models: int, num_parallel: int
) -> None:
    """Acted out tick by tick: loads take 2 ticks, unloads 1, calls as many as drawn."""
    nodes = [
        NodeState("pc1", max_models, num_parallel, on_disk=frozenset("abc")),
        NodeState("pc2", max_models, num_parallel, on_disk=frozenset("bcd")),
    ]
    waiting = {n: Wanted(n, model, since=float(n // 3)) for n, (model, _) in enumerate(work)}
    agents: dict[tuple[str, str], AgentState] = {}
    events: list[tuple[int, str, tuple[str, str]]] = []
    for tick in range(400):
        for event in [e for e in events if e[0] == tick]:
            _happen(agents, event)
        demands = [replace(d, waited_s=float(tick)) for d in waiting.values()]
        for action in plan(demands, list(agents.values()), nodes, 10.0):
            key = (action.node, action.model) if not isinstance(action, Reject) else ("", "")
            if isinstance(action, Grant):
                del waiting[action.demand]
                agents[key] = replace(agents[key], busy=agents[key].busy + 1, last_used=tick)
                events.append((tick + work[action.demand][1], "answered", key))
            elif isinstance(action, Place):
                agents[key] = AgentState(*key, "starting")
                events.append((tick + 2, "loaded", key))
            else:
                assert isinstance(action, Evict), "nothing is refused that a PC has"
                agents[key] = replace(agents[key], state="leaving")
                events.append((tick + 1, "unloaded", key))
        if not waiting:
            return
    raise AssertionError(f"still waiting: {waiting}")


def _happen(
    agents: dict[tuple[str, str], AgentState], event: tuple[int, str, tuple[str, str]]
) -> None:
    _, what, key = event
    if what == "answered":
        agents[key] = replace(agents[key], busy=agents[key].busy - 1)
    elif what == "loaded":
        agents[key] = replace(agents[key], state="ready")
    else:
        del agents[key]
