"""Going on with a run that an interrupt, a cap or a crash ended, in its own folder."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from soundcheck import __version__
from soundcheck.contract.deployment import Deployment
from soundcheck.contract.plan import Cost as Counted
from soundcheck.contract.plan import cost_of_sent, sent_again
from soundcheck.contract.preflight import examine
from soundcheck.contract.probe import MODELS, NO_FILE
from soundcheck.contract.profile import Profile, load_profile
from soundcheck.contract.source import Recording
from soundcheck.contract.target import Target
from soundcheck.contract.verdict import Untestable
from soundcheck.errors import SoundcheckError
from soundcheck.http.exchange import Exchange
from soundcheck.http.store import Store
from soundcheck.plugin.judgement import out_of_reach
from soundcheck.plugin.options import Options
from soundcheck.report.run import Cost, Run, Sitting, load_run


def asked_of(folder: Path) -> str:
    """Return what the run in ``folder`` was asked to judge: a target's name, or a URL."""
    run = _resumable(folder)
    return run.target.name or run.target.base_url


def options_of(folder: Path, options: Options) -> Options:
    """Return ``options`` for going on with the run in ``folder``.

    What it was begun with stands: the target, the model, the claims, the rules that were chosen.
    Raises SoundcheckError where ``options`` say otherwise, or the run cannot be gone on with.
    """
    run = _resumable(folder)
    chosen = run.selection
    if options.out is not None and options.out.resolve() != folder.resolve():
        raise SoundcheckError(f"--resume goes on in {folder} itself: leave out --out")
    only, without = (chosen.only, chosen.without) if chosen else ((), ())
    given: dict[str, tuple[object, object]] = {
        "the deployment": (options.base_url.rstrip("/"), run.target.base_url.rstrip("/")),
        "--model": (options.model, run.target.model),
        "--effort": (options.effort, run.effort),
        "--only": (options.only, only),
        "--without": (options.without, without),
    }
    for name, (now, before) in given.items():
        if now and now != before:
            raise _other(folder, name, before, now)
    if run.recordings and options.speech is None:
        raise SoundcheckError(
            f"{folder} was begun with recordings of your own: name them with --speech again"
        )
    if options.profile and load_profile(options.profile).to_data() != run.claims:
        raise _other(folder, "--profile", run.profile, f"{options.profile} as it is now")
    return replace(
        options,
        out=folder,
        model=run.target.model,
        profile=run.profile,
        claims=Profile.from_data(run.claims) if run.claims else None,
        api_key_env=options.api_key_env or run.target.api_key_env,
        effort=run.effort,
        only=only,
        without=without,
        resumed=True,
    )


def _other(folder: Path, name: str, before: object, now: object) -> SoundcheckError:
    def told(value: object) -> str:
        return (" ".join(value) if isinstance(value, tuple) else str(value)) or "none"

    return SoundcheckError(
        f"{folder} was begun with another choice of {name}: {told(before)}, not {told(now)}; leave "
        "that out to go on, or begin a new run"
    )


def _resumable(folder: Path) -> Run:
    run = load_run(folder)
    reason = ""
    if run.replay_of:
        reason = "it judged a recorded run, which sends nothing"
    elif run.target.reference:
        reason = "it judged the bundled reference, which ended with it"
    elif run.encryption is not None and run.encryption.tapped:
        reason = "what a tap saw belongs to one run"
    elif run.tool.version != __version__:
        reason = f"it was made by Soundcheck {run.tool.version}, this is {__version__}"
    if reason:
        raise SoundcheckError(f"{folder} cannot be gone on with: {reason}; begin a new run")
    return run


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a run has from before: its sittings, the deployment as it was, and what is kept.

    ``kept`` is what the answers that are not asked for again had cost, and ``again`` how many of
    these requests were sent again. ``first`` are the answers of the preflight, which is asked anew,
    as are the ``damaged`` records, of which there were so many.
    """

    sittings: tuple[Sitting, ...] = ()
    deployment: Deployment | None = None
    kept: Counted = field(default_factory=Counted)
    again: int = 0
    first: tuple[Exchange, ...] = ()
    damaged: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a report has to tell: that the run was not made in one go."""
        if not self.sittings:
            return ()
        count = len(self.sittings)
        times = "once" if count == 1 else f"{count} times"
        told = (
            f"resumed {times}: the run began at {self.sittings[0].started}, and its cost is that "
            "of all its parts"
        )
        asked = f"{self.damaged} recorded exchanges could not be read, and were asked for anew"
        return (told, asked) if self.damaged else (told,)

    def check(self, now: Deployment, base_url: str) -> None:
        """Raise SoundcheckError where ``now`` is not the deployment of before."""
        before = self.deployment
        if before is None:
            return
        old, new = (sorted(entry.id for entry in one.listed) for one in (before, now))
        if (old, before.dialect) != (new, now.dialect):
            raise SoundcheckError(
                f"{base_url} is not the deployment that it was: its models were "
                f"{', '.join(old) or 'not listed'} (dialect {before.dialect}) and are "
                f"{', '.join(new) or 'not listed'} (dialect {now.dialect}); begin a new run"
            )


def reopened(folder: Path, store: Store, profile: Profile, target: Target) -> Earlier:
    """Return what the run in ``folder`` has, and take away what is to be asked anew.

    That is the preflight, by which the deployment is known again, and what did not reach the
    deployment or was put off by it to the end.
    """
    run = load_run(folder)
    damaged = store.remove_damaged()
    spent, again = cost_of_sent(store.exchanges()), sent_again(store.exchanges())
    sittings = (*run.earlier, _last(run, spent, again))
    try:
        deployment = examine(target, profile, Recording(store).answer)
    except (Untestable, SoundcheckError):  # it ended before there was anything to know
        deployment = None
    first = [store.load(probe.on(run.target.model).digest) for probe in (MODELS, NO_FILE)]
    useless = [one.digest for one in store.exchanges() if out_of_reach(one)]
    for digest in (*useless, *(one.digest for one in first if one)):
        store.remove(digest)
    return Earlier(
        sittings,
        deployment,
        cost_of_sent(store.exchanges()),
        sent_again(store.exchanges()),
        tuple(filter(None, first)),
        damaged,
    )


def _last(run: Run, recorded: Counted, again: int) -> Sitting:
    """Return the last sitting of ``run``; of one that was killed only the records tell."""
    whole = run.cost.spent
    if whole.requests < recorded.requests:
        whole = Cost(recorded.requests, round(recorded.audio_s / 60, 3), recorded.upload_bytes)
    before = [sitting.spent for sitting in run.earlier]
    return Sitting(
        started=run.started,
        duration_s=run.duration_s,
        spent=Cost(
            requests=max(0, whole.requests - sum(one.requests for one in before)),
            audio_minutes=round(
                max(0.0, whole.audio_minutes - sum(one.audio_minutes for one in before)), 3
            ),
            upload_bytes=max(0, whole.upload_bytes - sum(one.upload_bytes for one in before)),
        ),
        again=max(again, run.cost.again) - sum(sitting.again for sitting in run.earlier),
    )
