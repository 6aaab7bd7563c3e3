import pytest

from nvf.errors import ParamsError, UsageError
from nvf.systems import SYSTEMS, create, get
from nvf.systems.linear import Linear


def test_names_are_their_own() -> None:
    assert all(kind.name == name for name, kind in SYSTEMS.items())
    assert get("linear") is Linear


def test_an_unknown_name_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="unknown system 'two_stages'; did you mean 'two_stage'"):
        get("two_stages")


def test_parameters_are_checked() -> None:
    with pytest.raises(ParamsError, match=r"reranker\.hiden.*reranker\.hidden"):
        create("two_stage", {"reranker.hiden": 3}, None)  # type: ignore[arg-type]
