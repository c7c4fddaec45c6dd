"""What tests of stores share: files of checkpoints, and a finished store of them that each test copies."""

import shutil

import pytest

# The imports of the fixtures need torch, without which other tests of this folder run.


@pytest.fixture
def paths(tmp_path):
    from tests.sweep_parts import save_checkpoints

    return save_checkpoints(tmp_path, 3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    from hpfunc.sweeps import sweep
    from tests.models import Mlp
    from tests.store.kept import DATA
    from tests.sweep_parts import save_checkpoints

    folder = tmp_path_factory.mktemp("finished")
    return folder / "store", sweep(save_checkpoints(folder, 3), DATA, build=Mlp, store=folder / "store")


@pytest.fixture
def store(finished, tmp_path):
    """Copy the store of the sweep of ``paths`` on ``DATA``."""
    shutil.copytree(finished[0], tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def expected(finished):
    """Give the results of the sweep of ``paths`` on ``DATA``."""
    return finished[1]


@pytest.fixture
def measured(monkeypatch):
    """List the checkpoints that are really measured, in order."""
    import hpfunc._sweep.run as module

    labels, measure = [], module.measure

    def note(task):
        labels.append(task.label)
        return measure(task)

    monkeypatch.setattr(module, "measure", note)
    return labels
