import pytest


@pytest.fixture(params=["mlp", "conv", "rnn", "regression"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)
