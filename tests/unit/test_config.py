"""Settings of the environment that are checked where they are read."""

import pytest

from weathervane.config import TrainConfig, from_mapping, replicas, whole_numbers
from weathervane.errors import UsageError


@pytest.mark.parametrize(("environment", "number"), [({}, 1), ({"WEATHERVANE_REPLICAS": "3"}, 3)])
def test_a_revision_has_as_many_replicas_as_are_asked_for(environment, number):
    assert replicas(environment) == number


@pytest.mark.parametrize("asked", ["0", "-1", "two", "", "1.5"])
def test_no_number_of_replicas_is_refused_by_its_name_and_value(asked):
    with pytest.raises(UsageError, match=f"WEATHERVANE_REPLICAS .* got '{asked}'"):
        replicas({"WEATHERVANE_REPLICAS": asked})


def test_whole_numbers_that_came_as_fractions_are_whole_again():
    came = {"steps": [10.0, {"weight": 50.0, "pause": True}], "max_error_rate": 0.01, "name": "a"}

    assert repr(whole_numbers(came)) == repr(
        {"steps": [10, {"weight": 50, "pause": True}], "max_error_rate": 0.01, "name": "a"}
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"unfrozen_learning_rate": 0}, "unfrozen_learning_rate must be above 0, got 0"),
        ({"head_penalty": -1}, "head_penalty must be at least 0, got -1"),
        ({"label_smoothing": 1.0}, "label_smoothing must be from 0 to below 1, got 1.0"),
        ({"balance": "luck"}, "balance: .*'weights', 'sampling' or 'none'.*got 'luck'"),
        ({"schedule": "linear"}, "schedule: .*'cosine' or 'constant'.*got 'linear'"),
    ],
)
def test_a_training_is_refused_by_the_setting_that_is_wrong(wrong, says: str):
    with pytest.raises(UsageError, match=says):
        from_mapping(TrainConfig, wrong, "train")
