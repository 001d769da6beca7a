"""The engine of a rollout: observe, decide, write it down, carry it out, again until it ends.

In: a `Deployment`, a `Journal`, a release, a plan, labelled probes. Out: an `Outcome`. Each intent
is written before it is carried out, and every step of carrying out may be repeated, so the
process can be killed anywhere and started again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from weathervane.data.probes import Probe as LabelledPicture
from weathervane.errors import DeploymentError, RolloutRunningError, UsageError
from weathervane.rollout.actions import Rollback
from weathervane.rollout.admission import admit
from weathervane.rollout.asking import Asking
from weathervane.rollout.carry import Carrier
from weathervane.rollout.clock import Clock, SystemClock
from weathervane.rollout.decide import decide
from weathervane.rollout.history import rollouts_of
from weathervane.rollout.ledger import Ledger, Outside
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Deployment, Journal, Live, Release
from weathervane.rollout.record import decision, figures
from weathervane.rollout.state import Phase, RolloutState, make_name
from weathervane.rollout.watch import Watch
from weathervane.rollout.wishes import Kind


class Rollout:
    """Drives one service's rollouts.

    ``outside`` makes out of a plan who is told of them and who is asked; a plan with webhooks is
    refused without it.
    """

    def __init__(
        self,
        deployment: Deployment,
        journal: Journal,
        *,
        clock: Clock | None = None,
        announce: Callable[[str], None] = lambda line: None,
        outside: Callable[[Plan], Outside] | None = None,
    ) -> None:
        self._outside = outside
        self._deployment = deployment
        self._journal = journal
        self._clock = clock or SystemClock()
        self._ledger = Ledger(journal, self._clock, announce)

    def start(
        self,
        release: Release,
        plan: Plan,
        probes: Sequence[LabelledPicture],
        who: str,
        *,
        replayed: Sequence[bytes] = (),
        again: bool = False,
        name: str = "",
    ) -> Outcome:
        """Roll ``release`` out, or go on with its rollout where a killed process left it.

        Args:
            release: the package.
            plan: how; a rollout that goes on keeps the plan that it was begun with.
            probes: labelled pictures, at least as many as the plan asks for.
            who: asks for it.
            replayed: pictures without labels; by default the probes'.
            again: try a package once more that the last rollout took back. Without it that
                rollout's end stands, so that whoever starts a command again undoes no abort.
            name: the rollout's, when it was given before this process began. Its end stands, even
                with ``again``, and what was asked of it already is heeded.

        Raises:
            RolloutRunningError: when another rollout of the service is alive or unfinished.
            UsageError: when the platform cannot do what the plan needs, there are fewer probes
                than it asks for, or a rollout of that name has ended and others came after it;
                nothing has been written then.
            DeploymentError: when the platform does not do as it is asked.
        """
        replayed = replayed or [probe.picture for probe in probes]
        with self._claimed(who):
            state = self.unfinished()
            if state is None:
                if ended := self._ended(name):
                    return ended
                live = self._deployment.observe()
                if live.canary is None and live.stable and live.stable.digest == release.digest:
                    return Outcome(promoted=True, why="it is the stable revision already")
                last = self.last()
                if not again and last and last.stands_for(release, plan):
                    return Outcome(promoted=False, why=_stands(last), state=last)
                pictures = {"probes": len(probes), "replayed": len(replayed)}
                admit(self._deployment, live, release, plan, **pictures)
                self._reach_out(plan)
                state = self._begin(release, plan, who, live, name or make_name(self._clock.now()))
            elif state.release.digest != release.digest:
                raise RolloutRunningError(
                    f"rollout {state.id} of package {state.release.digest[:12]} is unfinished: "
                    "start it again with that package, or abort it"
                )
            else:
                self._reach_out(state.plan)
                self._ledger.say(f"going on with rollout {state.id} at {state.weight} %")
            return self._drive_and_finish(state, probes, replayed)

    def abort(self, who: str, why: str) -> Outcome | None:
        """End the present rollout by taking the canary back. None when there is no rollout."""
        state = self.unfinished()
        if state is None:
            return None
        asking = Asking(self._journal, self._clock)
        asking.ask(Kind.ABORT, who, why)
        try:
            with self._journal.claim(who):
                left = self.unfinished()
                if left is None:
                    return None
                try:
                    self._reach_out(left.plan)
                except UsageError as error:
                    # Whoever aborts may lack the secrets of those who are told.
                    self._ledger.say(f"nobody outside is told: {error}")
                return self._drive_and_finish(left, (), ())
        except RolloutRunningError:
            self._ledger.say("the process that drives the rollout has been told")
            return asking.follow(give_up_after=state.plan.start_seconds)

    @property
    def deployment(self) -> Deployment:
        """What it moves the traffic of."""
        return self._deployment

    def unfinished(self) -> RolloutState | None:
        """The rollout that was begun and has not ended."""
        return self._ledger.unfinished()

    def last(self) -> RolloutState | None:
        """The rollout that was begun last."""
        return self._ledger.last()

    @contextmanager
    def _claimed(self, who: str) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(self._journal.claim(who))
            except RolloutRunningError as error:
                first = self.unfinished()
                if first is None:
                    raise
                raise RolloutRunningError(
                    f"rollout {first.id} of package {first.release.digest[:12]}, begun by "
                    f"{first.begun_by}, is running: wait for its end or abort it"
                ) from error
            yield

    def _ended(self, name: str) -> Outcome | None:
        """How the rollout of that name ended; None when there was none."""
        last = self.last()
        if last is not None and last.id == name:
            return Outcome(promoted=last.phase is Phase.PROMOTED, why=last.why, state=last)
        if name and any(p.id == name and p.end for p in rollouts_of(self._journal.entries())):
            raise UsageError(f"rollout {name} has ended, and others came after it: start a new one")
        return None

    def _begin(self, release: Release, plan: Plan, who: str, live: Live, name: str) -> RolloutState:
        state = RolloutState(
            id=name,
            release=release,
            plan=plan,
            stable_digest=live.stable.digest if live.stable else None,
            begun_at=self._clock.now().isoformat(timespec="seconds"),
            begun_by=who,
            # What stable did before this rollout is not this rollout's evidence, and what was asked
            # before it was not asked of it.
            last=self._deployment.counts(),
            answered=self._ledger.count_asked_before(name),
        )
        begun = {"who": who, "package": release.digest, "stable": state.stable_digest}
        self._ledger.record(state, "begun", {**begun, "plan": state.as_mapping()["plan"]})
        self._ledger.write(state)
        return state

    def _reach_out(self, plan: Plan) -> None:
        if self._outside:
            self._ledger.outside = self._outside(plan)
        elif plan.webhooks:
            raise UsageError("the plan has webhooks, and nothing here can call them")

    def _drive_and_finish(
        self, state: RolloutState, probes: Sequence[LabelledPicture], replayed: Sequence[bytes]
    ) -> Outcome:
        try:
            return self._drive(state, probes, replayed)
        finally:
            self._ledger.outside.finish()

    def _drive(
        self, state: RolloutState, probes: Sequence[LabelledPicture], replayed: Sequence[bytes]
    ) -> Outcome:
        watch = Watch(self._deployment, self._clock, self._ledger)
        carrier = Carrier(
            self._deployment, self._clock, self._ledger, watch, probes=probes, replayed=replayed
        )
        try:
            state = self._run(state, watch, carrier)
        except DeploymentError:
            state = self._ledger.heed(self._ledger.last() or state)
            if state.wishes.abort is None or state.phase is not Phase.RUNNING:
                raise
            # Whatever the platform refuses, the way back is tried.
            back = Rollback(f"aborted: {state.wishes.abort}")
            self._ledger.record(state, "decided", decision(back))
            state = carrier.turn_back(state, back)
        state = self._ledger.heed(carrier.end(state))
        self._ledger.record(state, state.phase.value, {"why": state.why})
        self._ledger.write(state)
        self._ledger.say(f"{state.phase.value}: {state.why}")
        return Outcome(promoted=state.phase is Phase.PROMOTED, why=state.why, state=state)

    def _run(self, state: RolloutState, watch: Watch, carrier: Carrier) -> RolloutState:
        """Look and act until an end is decided."""
        watch.begin()
        state = self._ledger.heed(state)
        # What is to be taken back need not be brought back first.
        if state.phase is Phase.RUNNING and state.wishes.abort is None:
            state = carrier.converge(state)
        while state.phase is Phase.RUNNING:
            state = self._ledger.heed(state)
            state, seen, live = watch.look(state)
            action = decide(state.plan, seen)
            self._ledger.record(state, "look", {**figures(seen), **decision(action)})
            state = carrier.apply(state, action, live)
        return state


def _stands(last: RolloutState) -> str:
    return (
        f"rollout {last.id} ended so: {last.phase.value}: {last.why}; "
        "start it with --again to try the package once more"
    )
