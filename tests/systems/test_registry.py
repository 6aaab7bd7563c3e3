import subprocess
import sys

import pytest

from nvf.errors import ParamsError, UsageError
from nvf.systems import SYSTEMS, create, get, linear, two_tower
from nvf.systems.linear import Linear


def test_names_are_their_own() -> None:
    assert all(kind.name == name for name, kind in SYSTEMS.items())
    assert get("linear") is Linear


def test_what_everything_is_compared_with_comes_first() -> None:
    assert [*SYSTEMS][0] == "raw" and [*SYSTEMS][1:] == sorted({*SYSTEMS} - {"raw"})


def test_names_are_known_without_importing_one() -> None:
    code = "import sys; from nvf.systems import SYSTEMS; print(*SYSTEMS, 'linear' in SYSTEMS, 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == [*SYSTEMS, "True", "False"]
    assert all(kind.__module__ == SYSTEMS.own[name] for name, kind in SYSTEMS.items())


def test_parameters_are_those_of_the_class_statement() -> None:
    assert SYSTEMS["linear"].Params is linear.Params
    assert SYSTEMS["siamese"].Params is two_tower.Params and SYSTEMS["context_mean"].role == "floor"


def test_an_unknown_name_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="unknown system 'two_stages'; did you mean 'two_stage'"):
        get("two_stages")


def test_parameters_are_checked() -> None:
    with pytest.raises(ParamsError, match=r"reranker\.hiden.*reranker\.hidden"):
        create("two_stage", {"reranker.hiden": 3}, None)  # type: ignore[arg-type]
