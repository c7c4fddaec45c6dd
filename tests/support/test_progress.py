"""Bars as users see them: one line of a terminal, one widget or text of a notebook, a few lines of a log."""

import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tqdm import tqdm

import hpfunc._support.progress as module
from hpfunc._support.progress import ProgressBar
from hpfunc._support.warn import warn
from hpfunc.activations import collect_activations
from hpfunc.pairwise import pairwise_hp
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import FACTORIES, ROOT, grid, make_data, save_checkpoints

LAYERS = {f"fc{number}": make_data(seed=number)[0] for number in range(4)}
LABELS = make_data()[1]


@pytest.fixture
def checkpoints(tmp_path):
    return save_checkpoints(tmp_path, 3)


# ---- a terminal


class Terminal:
    """A pseudo-terminal as standard error, and what is read from its other end."""

    def __init__(self, monkeypatch, columns=80):
        pty = pytest.importorskip("pty")
        fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, np.array([24, columns, 0, 0], np.uint16).tobytes())
        self.stream, self.text = os.fdopen(slave, "w", encoding="utf-8"), ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        monkeypatch.setattr(sys, "stderr", self.stream)

    def _read(self):
        found = b""
        try:
            while block := os.read(self._master, 4096):
                found += block
        except OSError:
            # So Linux says that the other end is closed.
            pass
        os.close(self._master)
        self.text = found.decode()

    def screen(self):
        """Return the lines that stand there in the end, the last one that of the cursor."""
        self.stream.close()
        self._reader.join(10)
        lines, row, column = [""], 0, 0
        for piece in self.text.replace("\x1b[A", "\x1b").replace("\r\n", "\n"):
            if piece == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif piece == "\r":
                column = 0
            elif piece == "\x1b":
                row -= 1
            else:
                lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in lines]


def check_one_bar(terminal, what, total):
    bar, rest = terminal.screen()
    assert rest == ""
    assert bar.startswith(f"{what}: 100%|")
    assert f" {total}/{total} [" in bar
    assert len(bar) <= 80
    assert terminal.text.count("\n") == 1


def test_a_terminal_shows_one_bar_for_all_pairs_of_all_layers(monkeypatch):
    terminal = Terminal(monkeypatch)
    pairwise_hp(LAYERS, LABELS, progress=True)
    check_one_bar(terminal, "pairs of classes", 12)


def test_a_terminal_shows_one_bar_for_the_samples_of_a_model(monkeypatch):
    terminal = Terminal(monkeypatch)
    collect_activations(seeded(Mlp), make_data(), progress=True, batch_size=7)
    check_one_bar(terminal, "activations", 60)


def test_a_terminal_shows_one_bar_for_a_sweep(monkeypatch, checkpoints):
    terminal = Terminal(monkeypatch)
    sweep(checkpoints, FACTORIES, build=Mlp, progress=True)
    check_one_bar(terminal, "checkpoints x data", 6)


def test_a_terminal_shows_one_bar_for_a_sweep_in_threads(monkeypatch, checkpoints):
    terminal = Terminal(monkeypatch)
    with ThreadPoolExecutor(3) as pool:
        sweep(checkpoints, FACTORIES, build=Mlp, progress=True, executor=pool)
    check_one_bar(terminal, "checkpoints x data", 6)


def test_a_sweep_that_goes_on_starts_where_it_was(monkeypatch, checkpoints, tmp_path):
    sweep({0: checkpoints[0]}, FACTORIES, build=Mlp, store=tmp_path / "store")
    terminal = Terminal(monkeypatch)
    sweep(checkpoints, FACTORIES, build=Mlp, progress=True, store=tmp_path / "store")
    check_one_bar(terminal, "checkpoints x data", 6)
    assert " 2/6 [" in terminal.text.partition("\r")[2].partition("\r")[0]


def test_a_narrow_terminal_keeps_a_bar_on_its_line(monkeypatch):
    terminal = Terminal(monkeypatch, columns=30)
    pairwise_hp(LAYERS, LABELS, progress=True)
    bar, rest = terminal.screen()
    assert len(bar) < 30
    assert (bar.startswith("pairs of classes: 100%"), rest) == (True, "")


def test_a_warning_has_lines_of_its_own(monkeypatch, checkpoints):
    terminal = Terminal(monkeypatch)
    # As the interpreter does it, which pytest has replaced.
    monkeypatch.setattr(warnings, "showwarning", lambda *args: sys.stderr.write(warnings.formatwarning(*args[:4])))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        sweep({0: checkpoints[0]}, {"grid": grid}, build=Mlp, layers=["input"], k=2, progress=True)
    said, line, bar, rest = terminal.screen()
    assert said.startswith(f"{__file__}:")
    assert "UserWarning: checkpoint 0 on data 'grid'" in said
    assert line.strip().startswith("sweep(")
    assert bar.startswith("checkpoints x data: 100%|")
    assert rest == ""


def test_below_a_bar_of_the_callers_own_nothing_is_left(monkeypatch):
    terminal = Terminal(monkeypatch)
    for _ in tqdm(range(3), "mine", file=sys.stderr):
        pairwise_hp(LAYERS, LABELS, progress=True)
    mine, *rest = terminal.screen()
    assert mine.startswith("mine: 100%|")
    assert "pairs of classes" in terminal.text
    assert not any(rest)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_a_terminal_shows_one_bar_for_a_sweep_in_processes(monkeypatch, checkpoints):
    code = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
    sweep({n: Path(FOLDER, f"{n}.ckpt") for n in range(3)}, FACTORIES, build=Mlp, progress=True, executor=pool)
"""
    code = f"from tests.sweep_parts import *\nFOLDER = {str(checkpoints[0].parent)!r}\n{code}"
    terminal = Terminal(monkeypatch)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], stderr=terminal.stream, cwd=ROOT, env=environment, timeout=120)
    assert done.returncode == 0
    check_one_bar(terminal, "checkpoints x data", 6)


# ---- a log


def test_a_log_has_lines_without_repetition(capfd):
    pairwise_hp(LAYERS, LABELS, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert err == f"{first}\n{last}\n"
    assert first.startswith("pairs of classes: 0 %, 0/12 [")
    assert last.startswith("pairs of classes: 100 %, 12/12 [")
    assert max(len(first), len(last)) < 80


def test_a_log_has_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.2)
    with ProgressBar(True, "steps", 40) as bar:
        for _ in range(40):
            time.sleep(0.025)
            bar.update(1)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 8
    counts = [int(line.split(", ")[1].partition("/")[0]) for line in lines]
    assert counts == sorted(set(counts))
    assert (counts[0], counts[-1]) == (0, 40)


def test_slow_steps_are_a_line_each_and_the_last_is_not_repeated(capsys, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    with ProgressBar(True, "steps", 3) as bar:
        for _ in range(3):
            time.sleep(0.05)
            bar.update(1)
    assert [line.split(" [")[0] for line in capsys.readouterr().err.splitlines()] == [
        "steps: 0 %, 0/3", "steps: 33 %, 1/3", "steps: 67 %, 2/3", "steps: 100 %, 3/3",
    ]  # fmt: skip


def test_a_program_without_standard_error_runs(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    pairwise_hp(LAYERS, LABELS, progress=True)
    with pytest.warns(UserWarning, match="quiet"):
        warn("quiet")


def test_a_bar_whose_work_fails_is_closed(capsys):
    with pytest.raises(ValueError, match="fc9"):
        pairwise_hp(LAYERS | {"fc9": np.full_like(LAYERS["fc0"], np.nan)}, LABELS, progress=True)
    assert capsys.readouterr().err.endswith("\n")
    assert not [bar for bar in tqdm._instances if not bar.disable]


# ---- a notebook

IMPORTS = """
import sys
{first}
from hpfunc.pairwise import pairwise_hp
from hpfunc.activations import collect_activations
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import FACTORIES, make_data
points, labels = make_data()
"""
CALLS = {
    "pairs of classes": ("result = pairwise_hp({'a': points, 'b': points}, labels, progress=True)", 6),
    "activations": ("result = collect_activations(seeded(Mlp), make_data(), progress=True)", 60),
    "checkpoints x data": ("result = sweep({0: seeded(Mlp)}, FACTORIES, progress=True)", 2),
}


def executed(first):
    """Run all cells of a notebook; return it and the state of its widgets."""
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs nbclient and ipykernel, of the extra 'test'")
    nbclient = pytest.importorskip("nbclient")
    cells = [IMPORTS.format(first=first), *(code for code, _ in CALLS.values())]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": ""}
    client = nbclient.NotebookClient(notebook, timeout=120)
    client.execute(env=environment)
    assert notebook.cells[0].outputs == []
    return dict(zip(CALLS, notebook.cells[1:], strict=True)), client.widget_state


@pytest.mark.slow
def test_a_notebook_without_widgets_shows_one_bar_of_text_and_no_warning():
    cells, _ = executed("sys.modules['ipywidgets'] = None")
    for what, (_, total) in CALLS.items():
        outputs = cells[what].outputs
        assert {(output.output_type, output.name) for output in outputs} == {("stream", "stderr")}
        text = "".join(output.text for output in outputs)
        states = text.removesuffix("\n").split("\r")
        assert "\n" not in "".join(states)
        assert all(state.startswith(what) for state in states[1:])
        assert states[0] == ""
        assert f" {total}/{total} [" in states[-1]


@pytest.mark.slow
def test_a_notebook_with_widgets_shows_one_widget_that_fills():
    pytest.importorskip("ipywidgets")
    cells, widgets = executed("")
    bars = [state for state in widgets.values() if state["_model_name"] == "FloatProgressModel"]
    texts = [state.get("value", "") for state in widgets.values() if state["_model_name"] == "HTMLModel"]
    for what, (_, total) in CALLS.items():
        [output] = cells[what].outputs
        assert "application/vnd.jupyter.widget-view+json" in output.data
        assert output.data["text/plain"].startswith(f"{what}:   0%|")
        assert any(text.strip().startswith(f"{total}/{total} [".replace(" ", "\u2007")) for text in texts)
    shown = [(bar["value"], bar["max"], bar["bar_style"]) for bar in bars]
    assert shown == [(total, total, "success") for _, total in CALLS.values()]
