"""Any compiled pipeline on one machine: progress, outputs, failures, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
from kfp import compiler, dsl

from pipelines import local
from weathervane.errors import DataError, PlatformError, WeathervaneError


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def train(architecture: str, model: dsl.Output[dsl.Model]) -> str:
    """Do what the name of the architecture says."""
    import os
    import signal
    import time
    from pathlib import Path

    from weathervane.errors import DataError

    print(f"  {{process {os.getpid()}")
    Path(model.path).write_text(architecture)
    match architecture:
        case "refuses":
            raise DataError("no pictures: bring some")
        case "breaks":
            print("an ending that is none: ValueError: nothing")
            raise RuntimeError("broken")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "full":
            raise OSError(28, "No space left on device", model.path)
        case "hangs":
            time.sleep(600)
    return os.environ["GREETING"]


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def judge(models: dsl.Input[list[dsl.Model]]) -> bool:
    """Pass when there are two."""
    return len(models) == 2


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def register() -> int:
    """Return a number."""
    return 7


@dsl.pipeline(name="example")
def example(architectures: list):
    """Train in parallel, then register if two came out."""
    with dsl.ParallelFor(architectures) as architecture:
        trained = train(architecture=architecture)
    judged = judge(models=dsl.Collected(trained.outputs["model"]))
    with dsl.If(judged.output == True):  # noqa: E712 - compiled, not evaluated
        register()


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def tidy(status: dsl.PipelineTaskFinalStatus):
    """Say how it ended."""
    print(f"ended: {status.state}")


@dsl.pipeline(name="tidied")
def tidied(architecture: str):
    """Tidy up whatever happened."""
    with dsl.ExitHandler(tidy()):
        register().after(train(architecture=architecture))


@pytest.fixture(scope="session")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "example.yaml"
    compiler.Compiler().compile(example, str(path))
    return path


def run(
    definition: Path,
    folder: Path,
    *architectures: str,
    progress: Callable[[str], None] = print,
    ended: Callable[[local.Step], None] = lambda step: None,
) -> tuple[local.Step, ...]:
    return local.run(
        definition,
        {"architectures": list(architectures)},
        folder=folder,
        environment={"GREETING": "it's"},
        progress=progress,
        ended=ended,
    )


def processes_naming(folder: Path) -> list[psutil.Process]:
    """Processes of a run: a step's arguments name its folder, the runner's scratch folder does."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def all_gone(folder: Path) -> bool:
    _, alive = psutil.wait_procs(processes_naming(folder), timeout=10)
    return not alive and not processes_naming(folder)


def test_steps_say_what_they_do_and_return_what_they_gave(definition: Path, tmp_path: Path):
    said: list[str] = []
    ended: list[local.Step] = []

    steps = run(definition, tmp_path, "a", "b", progress=said.append, ended=ended.append)

    by_name = {step.name: step for step in steps}
    assert sorted(by_name) == ["judge", "register", "train a", "train b"]
    assert by_name["train a"].outputs["Output"] == "it's"
    assert Path(by_name["train b"].outputs["model"]).read_text() == "b"
    assert by_name["judge"].outputs == {"Output": True}
    assert by_name["register"].outputs == {"Output": 7}
    assert tuple(ended) == steps
    assert "train a: begun" in said
    assert any(line.startswith("train a:   {process ") for line in said)
    assert any(line.startswith("register: done in ") for line in said)
    assert not any("KFP" in line for line in said)
    (folder,) = tmp_path.iterdir()
    assert "[train a]   {process " in (folder / "log.txt").read_text()
    assert not (folder / "tmp").exists()


def test_a_condition_that_is_false_skips_its_steps(definition: Path, tmp_path: Path):
    steps = run(definition, tmp_path, "a")

    assert [step.name for step in steps] == ["train a", "judge"]
    assert steps[-1].outputs == {"Output": False}


def test_an_error_of_ours_arrives_as_it_was_raised(definition: Path, tmp_path: Path):
    with pytest.raises(DataError) as raised:
        run(definition, tmp_path, "refuses")

    assert str(raised.value) == "no pictures: bring some"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("breaks", "step train breaks: RuntimeError: broken; its log is "),
        ("killed", "step train killed: was killed, perhaps for lack of memory; its log is "),
    ],
)
def test_any_other_failure_is_one_line_that_names_the_step(
    definition: Path, tmp_path: Path, step: str, says: str
):
    with pytest.raises(WeathervaneError) as raised:
        run(definition, tmp_path, step)

    message = str(raised.value)
    assert message.startswith(says)
    assert "\n" not in message
    assert "Traceback" in Path(message.removeprefix(says)).read_text() or step == "killed"


def test_a_full_disk_is_the_platforms_fault(definition: Path, tmp_path: Path):
    with pytest.raises(PlatformError, match="no room left on the disk for step train full"):
        run(definition, tmp_path, "full")


def test_a_failure_ends_what_runs_beside_it(definition: Path, tmp_path: Path):
    began = time.monotonic()

    with pytest.raises(DataError):
        run(definition, tmp_path, "hangs", "refuses")

    assert time.monotonic() - began < 30
    assert all_gone(tmp_path)


@pytest.mark.parametrize("architecture", ["a", "refuses", "killed"])
def test_what_a_pipeline_does_in_the_end_is_done_whatever_happened(
    tmp_path: Path, architecture: str
):
    compiler.Compiler().compile(tidied, str(tmp_path / "tidied.yaml"))
    said: list[str] = []
    fails = architecture != "a"

    with pytest.raises(WeathervaneError, match=r"no pictures|killed") if fails else nullcontext():
        local.run(
            tmp_path / "tidied.yaml",
            {"architecture": architecture},
            folder=tmp_path / "runs",
            environment={"GREETING": ""},
            progress=said.append,
        )

    assert f"tidy: ended: {'FAILED' if fails else 'SUCCEEDED'}" in said
    assert ("register: begun" in said) is not fails
    assert all_gone(tmp_path)


def test_an_interruption_leaves_no_process(definition: Path, tmp_path: Path):
    def interrupt(line: str) -> None:
        if "process" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(definition, tmp_path, "hangs", progress=interrupt)

    assert all_gone(tmp_path)


def test_a_caller_that_is_killed_leaves_no_process(definition: Path, tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from pipelines import local;"
        "local.run(Path(sys.argv[1]), {'architectures': ['hangs']}, folder=Path(sys.argv[2]),"
        " environment={'GREETING': ''}, progress=lambda line: print(line, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(definition), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as caller:
        assert caller.stdout
        assert next(line for line in caller.stdout if "process" in line)
        assert len(processes_naming(tmp_path)) >= 2
        caller.send_signal(signal.SIGKILL)
        caller.wait()

    assert all_gone(tmp_path)


def test_a_runner_that_is_killed_leaves_no_step(definition: Path, tmp_path: Path):
    def kill_runner(line: str) -> None:
        if "process" in line:
            for process in processes_naming(tmp_path):
                if "pipelines.runner" in process.cmdline():
                    process.kill()

    with pytest.raises(WeathervaneError, match="the pipeline could not be run"):
        run(definition, tmp_path, "hangs", progress=kill_runner)

    assert all_gone(tmp_path)


def test_arguments_that_the_pipeline_does_not_know_are_one_line(definition: Path, tmp_path: Path):
    with pytest.raises(
        WeathervaneError, match=r"the pipeline could not be run: .*nonsense"
    ) as told:
        local.run(definition, {"nonsense": 1}, folder=tmp_path, environment={})

    assert "\n" not in str(told.value)
