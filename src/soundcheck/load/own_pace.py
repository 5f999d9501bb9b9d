"""Which scenario a locustfile's users follow; those with tasks of their own set their own pace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soundcheck.errors import SoundcheckError
from soundcheck.load.arrivals import Arrivals
from soundcheck.load.stage import Course, Plan, Scenario, Stage

WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class OwnPace:
    """Users with tasks of their own: one window, in a closed loop."""

    name = "own tasks"
    question = "How long do transcriptions take when users set their own pace?"

    def course(self, plan: Plan) -> Course:
        """Yield the one stage."""
        users = Arrivals("closed", (float(plan.users),))
        window = plan.duration_s or WINDOW_S
        yield Stage(f"{plan.users} users", users, window, plan.warm_up_s or 0.0)
        return None

    def estimate_s(self, plan: Plan) -> float:
        """Return the seconds of the window and of the warm-up.

        Raises SoundcheckError where a rate was given.
        """
        if plan.rate is not None or plan.arrivals is not None:
            raise SoundcheckError(
                "users with tasks of their own set their own pace: leave --rate and --arrivals "
                "out, and choose how many there are with --users"
            )
        return (plan.duration_s or WINDOW_S) + (plan.warm_up_s or 0.0)


def scenario_of(user_classes: Sequence[Any]) -> Scenario:
    """Return the one scenario of the users; raises SoundcheckError where they do not agree."""
    if len({one.follows_schedule for one in user_classes}) > 1:
        raise SoundcheckError(
            "some user classes have tasks of their own and some follow a schedule: name those to "
            "run at the end of the command line"
        )
    if not user_classes[0].follows_schedule:
        return OwnPace()
    scenario: Scenario = user_classes[0].scenario
    if any(one.scenario != scenario for one in user_classes):
        raise SoundcheckError(
            "the user classes have different scenarios: name one class at the end of the command "
            "line"
        )
    return scenario
